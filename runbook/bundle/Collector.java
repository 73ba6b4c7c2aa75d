package runbook.bundle;

import java.util.List;

/** One source of evidence. */
interface Collector {
    /** Folder and name: {@code application/journal my-app}. The part before the slash is its folder in the archive. */
    String name();

    /** What it would collect, a line each, for {@code --dry-run}; with sizes where they can be known. */
    List<Planned> plan();

    /**
     * Collects into the sink. Whatever it throws is its failure, by the message; what it gave before is kept. It is
     * interrupted when its time is up.
     */
    void collect(Sink sink) throws Exception;

    /** One line of a plan; {@code bytes} is a guess at what is read, -1 when there is none. */
    record Planned(String what, long bytes) { }

    /** A collector that has nothing to look at, and why not: it is named in the manifest as skipped. */
    record Skipped(String name, String why) implements Collector {
        @Override
        public List<Planned> plan() {
            return List.of();
        }

        @Override
        public void collect(Sink sink) {
            sink.skipped(why);
        }
    }
}
