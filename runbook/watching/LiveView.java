package runbook.watching;

import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import runbook.*;
import runbook.Incident.Event;
import runbook.Screen.Mark;
import runbook.Text.Durations;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Watching.Shot;

/**
 * The live view: one picture on a screen of its own, painted again twice a second, and soon after
 * the terminal changes its size. The terminal keeps its settings (Ctrl-C ends the watch), and gets its screen
 * and cursor back when this closes.
 */
public final class LiveView implements Watching.Face {
    private static final String OPEN = "\033[?1049h\033[?25l";
    private static final String CLEAR = "\033[2J";
    private static final String GIVE_BACK = "\033[?7h\033[?25h\033[?1049l";
    private static final Duration PAINT_EVERY = Duration.ofMillis(500);
    // The terminal is asked for its size by a child process.
    private static final Duration MEASURE_EVERY = Duration.ofSeconds(3);
    private static final int MOST_NOTES = 30;
    private static final int LONGEST_NAME = 20;
    // What a person need not act on gives way to what one has to.
    private static final Set<String> MINOR = Set.of("draft", "ran", "watching", "status-page");

    private final Screen.Host host;
    private final Screen screen;
    private final Deque<Event> newestFirst = new ConcurrentLinkedDeque<>();
    private Screen.Size size;
    private boolean closed;
    private long painted;
    private long measured;

    private LiveView(Screen.Host host, Screen screen) {
        this.host = host;
        this.screen = screen;
    }

    /** A view on the terminal behind standard output; empty where there is none that can show one. */
    public static Optional<Watching.Face> open(Screen.Host host, Screen screen) {
        boolean capable = host.terminal() && !host.env("TERM").orElse("dumb").matches("dumb.*|unknown");
        return capable ? Optional.of(new LiveView(host, screen)) : Optional.empty();
    }

    private synchronized void say(String text) {
        if (!closed) {
            host.out().writeBytes(text.getBytes(host.charset()));
            host.out().flush();
        }
    }

    @Override
    public synchronized void close() {
        say(size == null ? "" : GIVE_BACK);
        closed = true;
    }

    @Override
    public synchronized void event(Event event) {
        newestFirst.addFirst(event);
        if (newestFirst.size() > MOST_NOTES) {
            newestFirst.removeLast();
        }
    }

    @Override
    public void idle(Duration most, Supplier<Shot> shot) throws InterruptedException {
        if (size == null || over(MEASURE_EVERY, measured)) {
            measured = System.nanoTime();
            Screen.Size now = Screen.Size.of(host);
            if (!now.equals(size)) {
                say((size == null ? OPEN : "") + CLEAR);
                size = now;
                painted = 0;
            }
        }
        if (painted == 0 || over(PAINT_EVERY, painted)) {
            painted = System.nanoTime();
            List<String> lines = lay(shot.get(), List.copyOf(newestFirst), Math.max(20, size.columns()),
                    Math.max(3, size.rows() - 1), screen);
            say("\033[?7l\033[H" + String.join("\033[K\r\n", lines) + "\033[K\033[J\033[?7h\033[H");
        }
        Thread.sleep(Math.min(250, most.toMillis()));
    }

    private static boolean over(Duration time, long since) {
        return System.nanoTime() - since > time.toNanos();
    }

    // ---- the picture

    /**
     * The lines to show on a terminal of this size, what matters most first: none wider than {@code columns - 1}, no
     * more than {@code rows}. The newest event is the first.
     */
    public static List<String> lay(Shot shot, List<Event> events, int columns, int rows, Screen screen) {
        Picture picture = new Picture(shot, columns, screen, new ArrayList<>());
        picture.head();
        picture.add(Mark.NONE, "");
        shot.conditions().forEach(one -> picture.add(one.met() ? Mark.OK : Mark.WARN, one.words()));
        // The newest event that is of weight stands above all checks; others of weight below, and then the rest.
        List<Event> told = events.stream().sorted(Comparator.comparing(LiveView::minor)).toList();
        int first = told.isEmpty() || minor(told.get(0)) ? 0 : 1;
        told.subList(0, first).forEach(picture::event);
        picture.add(Mark.NONE, "");
        shot.readings().stream().sorted(Comparator.comparing(one -> one.result() != Result.BAD))
                .forEach(picture::check);
        picture.add(Mark.NONE, "");
        told.subList(first, told.size()).forEach(picture::event);
        return picture.lines.subList(0, Math.min(rows, picture.lines.size()));
    }

    private static boolean minor(Event event) {
        return MINOR.contains(Memory.kind(event));
    }

    /** The picture as it is being laid. */
    private record Picture(Shot shot, int columns, Screen screen, List<String> lines) {
        void add(Mark mark, String words) {
            lines.add(screen.cut(mark, words, columns));
        }

        void head() {
            shot.drill().ifPresent(name -> add(Mark.WARN, "DRILL " + name + ": an exercise, nothing here is real"));
            state();
            // What needs a person stands right under the state.
            shot.message().ifPresent(this::message);
            if (shot.untold() > 0) {
                add(Mark.WARN, Text.count(shot.untold(), "message") + " not accepted yet, tried again");
            }
            String began = shot.incident().map(ago -> "began " + words(ago) + " ago").orElse("no incident");
            String next = shot.next().map(left -> "next round in " + words(left)).orElse("looking now");
            add(Mark.NONE, began + "; " + next + "; Ctrl-C leaves; " + Text.count(shot.requests(), "request")
                    + " spent");
        }

        private void state() {
            String word = shot.word().toUpperCase(Locale.ROOT);
            String lasting = " for " + words(shot.lasting()) + " (now " + clock(shot.now()) + " UTC)";
            switch (shot.state()) {
                case HEALTHY, RECOVERED -> add(Mark.OK, word + lasting);
                // It may have begun long before anybody watched.
                case DEGRADED -> add(Mark.FAIL, word + ", seen" + lasting);
                case FLAPPING, RECOVERING -> add(Mark.WARN, word + lasting);
                case STARTING -> add(Mark.WARN, word + ": nothing is decided yet");
            }
        }

        private void message(Duration due) {
            String when = due.isNegative() ? "OVERDUE by " + words(due.negated()) : "DUE in " + words(due);
            if (shot.record().isEmpty()) {
                add(Mark.NONE, "next post to Slack in " + words(due));
            } else if (due.compareTo(Telling.SOON) < 0) {
                add(Mark.WARN, "MESSAGE TO PEOPLE " + when + "; once sent, say so:");
                // Never cut, or it could not be pasted.
                lines.addAll(screen.folded(shot.record().get(), columns - 1));
            }
        }

        void event(Event event) {
            add(Mark.NONE, clock(event.at()) + " " + Memory.kind(event) + ": " + event.summary());
        }

        void check(Reading reading) {
            Mark mark = switch (reading.result()) {
                case GOOD -> Mark.OK;
                case BAD -> Mark.FAIL;
                case UNKNOWN -> Mark.SKIP;
            };
            long millis = reading.millis();
            String took = millis < 10_000 ? millis + " ms" : millis / 1_000 + " s";
            String again = shot.again().apply(reading.check()).filter(left -> !reading.fresh())
                    .map(left -> "(again in " + words(left) + ") ").orElse("");
            String form = "%-" + LONGEST_NAME + "s %7s  ";
            add(mark, String.format(form, Text.safe(reading.check(), LONGEST_NAME), took) + again + reading.words());
        }
    }

    private static String clock(Instant at) {
        return at.toString().substring(11, 19);
    }

    private static String words(Duration duration) {
        return Durations.words(Duration.ofSeconds(Math.max(1, (duration.toMillis() + 999) / 1_000)));
    }
}
