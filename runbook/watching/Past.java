package runbook.watching;

import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import runbook.Incident.Event;

/**
 * What the journal tells of an incident, and of the watches before this one.
 *
 * @param began     the first event's time; empty for an empty journal
 * @param troubled  something was wrong when it was last written to
 * @param state     the state that the last watch left
 * @param since     when that state began; the epoch when there is none
 * @param falls     when watches saw it fall, oldest first
 * @param updates   ids of the vendor's updates that were told
 * @param watched   when a watch last wrote; empty when none did
 * @param announced when people were last told something; empty when they were not
 * @param gaps      times in which no watch looked
 * @param untold    changes of state that were to be told and were not yet, oldest first
 * @param diagnosis the last diagnosis, or {@code indeterminate}
 * @param severity  its severity, or empty text
 */
public record Past(
        Optional<Instant> began,
        boolean troubled,
        State state,
        Instant since,
        List<Instant> falls,
        Set<String> updates,
        Optional<Instant> watched,
        Optional<Instant> announced,
        List<Unseen> gaps,
        List<Untold> untold,
        String diagnosis,
        String severity) {
    /** A time in which no watch looked. */
    public record Unseen(Instant from, Instant to) { }

    /** A change of state that was to be told by these ways ({@link Messenger}) and was not yet. */
    public record Untold(Event event, Set<String> channels) { }

    /** How this step calls itself in the journal. */
    static final String STEP = "watch";
    private static final Set<String> TROUBLE = Set.of(Event.DETECTED, Event.DEGRADED);

    /** What these events tell. */
    public static Past of(List<Event> events) {
        List<Event> ours = events.stream().filter(event -> event.step().equals(STEP)).toList();
        Optional<Event> last = ours.stream().filter(event -> stateOf(event) != State.STARTING).reduce((one, later) -> later);
        Optional<Event> diagnosed = events.stream()
                .filter(event -> event.data().path("diagnosis").isTextual()
                        && !event.event().equals(Event.NOTE))
                .reduce((one, later) -> later);
        return new Past(
                events.stream().map(Event::at).min(Instant::compareTo),
                troubled(events),
                last.map(Past::stateOf).orElse(State.STARTING),
                last.map(Past::since).orElse(Instant.EPOCH),
                falls(ours),
                ours.stream()
                        .map(event -> event.data().path("update").asText(""))
                        .filter(id -> !id.isEmpty())
                        .collect(Collectors.toSet()),
                ours.stream().map(Event::at).max(Instant::compareTo),
                events.stream()
                        .filter(event -> event.event().equals(Event.ANNOUNCED))
                        .map(Event::at)
                        .max(Instant::compareTo),
                gaps(ours),
                untold(ours),
                diagnosed.map(event -> event.data().path("diagnosis").asText()).orElse("indeterminate"),
                diagnosed
                        .map(event -> event.data().path("severity").asText(""))
                        .filter(text -> text.startsWith("P"))
                        .orElse(""));
    }

    private static State stateOf(Event event) {
        return State.of(event.data().path("state").asText());
    }

    private static Instant since(Event event) {
        return instant(event.data().path("since").asText()).orElse(event.at());
    }

    private static boolean troubled(List<Event> events) {
        boolean troubled = false;
        for (Event event : events) {
            boolean unwell = event.event().equals(Event.DIAGNOSED)
                    && !event.data().path("diagnosis").asText().equals("healthy");
            troubled = unwell || TROUBLE.contains(event.event()) || troubled && !event.event().equals(Event.RECOVERED);
        }
        return troubled;
    }

    private static List<Instant> falls(List<Event> ours) {
        List<Instant> falls = new ArrayList<>();
        for (Event event : ours) {
            if (event.event().equals(Event.RECOVERED)) {
                falls.clear();
            } else if (event.event().equals(Event.DEGRADED)
                    || event.data().path("kind").asText().equals(State.FLAPPING.word())) {
                falls.add(since(event));
            }
        }
        return List.copyOf(falls);
    }

    private static List<Unseen> gaps(List<Event> ours) {
        List<Unseen> gaps = new ArrayList<>();
        ours.forEach(event -> instant(event.data().path("from").asText())
                .ifPresent(from -> gaps.add(new Unseen(
                        from, instant(event.data().path("to").asText()).orElse(event.at())))));
        return List.copyOf(gaps);
    }

    private static List<Untold> untold(List<Event> ours) {
        Set<String> told = ours.stream()
                .map(event -> event.data().path("of").asText()
                        + event.data().path("channel").asText())
                .collect(Collectors.toSet());
        List<Untold> untold = new ArrayList<>();
        for (Event event : ours) {
            Set<String> channels = new TreeSet<>();
            event.data().path("tell").forEach(channel -> channels.add(channel.asText()));
            channels.removeIf(channel -> told.contains(event.at() + channel));
            if (!channels.isEmpty()) {
                untold.add(new Untold(event, channels));
            }
        }
        return List.copyOf(untold);
    }

    private static Optional<Instant> instant(String text) {
        try {
            return text.isEmpty() ? Optional.empty() : Optional.of(Instant.parse(text));
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }
}
