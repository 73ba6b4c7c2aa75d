package runbook.bundle;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How one collector ended.
 *
 * @param collector its name
 * @param state     how
 * @param why       of a failure or a skip; else empty
 * @param remarks   what it left out
 * @param millis    how long it took
 * @param items     what it gave, failed or not
 */
record Outcome(String collector, State state, List<String> why, List<String> remarks, long millis, List<Item> items) {
    /** Fine, gave up (perhaps after giving something), or had nothing to do. */
    enum State { OK, FAILED, SKIPPED }

    static Outcome of(String collector, Sink sink, String failure, long millis) {
        List<String> why = new ArrayList<>(sink.troubles());
        if (failure != null) {
            why.add(failure);
        }
        State state = !why.isEmpty() ? State.FAILED : sink.skipped() != null ? State.SKIPPED : State.OK;
        return new Outcome(
                collector,
                state,
                state == State.SKIPPED ? List.of(sink.skipped()) : why,
                sink.remarks(),
                millis,
                sink.items());
    }

    Map<String, Object> json() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("name", collector);
        json.put("state", state.name().toLowerCase(java.util.Locale.ROOT));
        json.put("why", String.join("; ", why));
        json.put("remarks", remarks);
        json.put("millis", millis);
        json.put("files", items.stream().map(Item::path).sorted().toList());
        return json;
    }

    /** What a person is told about it in one line. */
    String words() {
        long bytes = items.stream().mapToLong(item -> item.part().plain()).sum();
        String got = items.isEmpty()
                ? "nothing"
                : items.size() + (items.size() == 1 ? " file, " : " files, ") + Bytes.words(bytes);
        return state == State.OK
                ? got
                        + (remarks.isEmpty()
                                ? ""
                                : "; " + remarks.get(0)
                                        + (remarks.size() > 1 ? " and " + (remarks.size() - 1) + " more remarks" : ""))
                : String.join("; ", why) + (items.isEmpty() ? "" : " (" + got + " kept)");
    }
}
