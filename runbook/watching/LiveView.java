package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.*;
import runbook.Screen.Mark;
import runbook.Text.Durations;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Watching.Shot;

/**
 * The live view: one picture on a screen of its own, painted again every second, after every event and soon
 * after the terminal changes its size. The terminal keeps its settings (Ctrl-C ends the watch), and gets its screen
 * and cursor back when this closes.
 */
public final class LiveView implements Watching.Face {
    private static final String OPEN = "\033[?1049h\033[?25l\033[2J";
    private static final String CLEAR = "\033[2J";
    private static final String GIVE_BACK = "\033[?7h\033[?25h\033[?1049l";
    private static final long PAINT_EVERY = 1_000_000_000L;
    // The terminal is asked for its size by a child process.
    private static final long MEASURE_EVERY = 3 * PAINT_EVERY;
    private static final int MOST_NOTES = 30;
    private static final int LONGEST_NAME = 20;

    private final Screen.Host host;
    private final Screen screen;
    private final List<Note> notes = new CopyOnWriteArrayList<>();
    private Screen.Size size;
    private boolean closed;
    private long painted;
    private long measured;
    private volatile boolean stale = true;

    /** An event as the view remembers it. */
    public record Note(Instant at, String kind, String words) {
        // What a person need not act on gives way to what one has to.
        private boolean minor() {
            return Set.of("draft", "ran", "watching", "status-page").contains(kind);
        }

        private Line line() {
            return new Line(Mark.NONE, clock(at) + " " + kind + ": " + words);
        }
    }

    /** Without a mark, a command: it is never cut, or it could not be pasted. */
    private record Line(Mark mark, String words) { }

    private LiveView(Screen.Host host, Screen screen) {
        this.host = host;
        this.screen = screen;
    }

    /** A view on the terminal behind standard output; empty where there is none that can show one. */
    public static Optional<LiveView> open(Screen.Host host, Screen screen) {
        String type = host.env("TERM").orElse("dumb");
        boolean capable = host.terminal() && !type.startsWith("dumb") && !type.equals("unknown");
        return capable ? Optional.of(new LiveView(host, screen)) : Optional.empty();
    }

    private synchronized void say(String text) {
        if (!closed) {
            byte[] bytes = text.getBytes(host.charset());
            host.out().write(bytes, 0, bytes.length);
            host.out().flush();
        }
    }

    @Override
    public synchronized void close() {
        say(size == null ? "" : GIVE_BACK);
        closed = true;
    }

    @Override
    public synchronized void event(Instant at, String kind, String words, JsonNode data) {
        notes.add(0, new Note(at, kind, words));
        if (notes.size() > MOST_NOTES) {
            notes.remove(MOST_NOTES);
        }
        stale = true;
    }

    @Override
    public void round(Supplier<Shot> shot) {
        stale = true;
    }

    @Override
    public void idle(Duration most, Supplier<Shot> shot) throws InterruptedException {
        if (size == null || System.nanoTime() - measured > MEASURE_EVERY) {
            measured = System.nanoTime();
            Screen.Size now = Screen.Size.of(host);
            String anew = size == null ? OPEN : CLEAR;
            stale |= !now.equals(size);
            say(now.equals(size) ? "" : anew);
            size = now;
        }
        if (stale || System.nanoTime() - painted > PAINT_EVERY) {
            stale = false;
            painted = System.nanoTime();
            List<String> lines =
                    lay(shot.get(), notes, Math.max(20, size.columns()), Math.max(3, size.rows() - 1), screen);
            say("\033[?7l\033[H" + String.join("\033[K\r\n", lines) + "\033[K\033[J\033[?7h\033[H");
        }
        Thread.sleep(Math.min(250, most.toMillis()));
    }

    // ---- the picture

    /**
     * The lines to show on a terminal of this size, what matters most first: none wider than {@code columns - 1}, no
     * more than {@code rows}. The newest note is the first.
     */
    public static List<String> lay(Shot shot, List<Note> notes, int columns, int rows, Screen screen) {
        Line blank = new Line(Mark.NONE, "");
        List<Line> lines = head(shot);
        lines.add(blank);
        shot.conditions().forEach(one -> lines.add(new Line(one.met() ? Mark.OK : Mark.WARN, one.words())));
        // The newest event that is of weight stands above all checks; others of weight below, and then the rest.
        List<Note> told = notes.stream().sorted(Comparator.comparing(Note::minor)).toList();
        int first = told.isEmpty() || told.get(0).minor() ? 0 : 1;
        told.subList(0, first).forEach(note -> lines.add(note.line()));
        lines.add(blank);
        shot.readings().stream().sorted(Comparator.comparing(one -> one.result() != Result.BAD))
                .forEach(reading -> lines.add(check(reading, shot.again().apply(reading.check()))));
        lines.add(blank);
        told.subList(first, told.size()).forEach(note -> lines.add(note.line()));
        return lines.stream().flatMap(line -> line.mark == null ? screen.folded(line.words, columns - 1).stream()
                : Stream.of(screen.cut(line.mark, line.words, columns))).limit(rows).toList();
    }

    private static List<Line> head(Shot shot) {
        List<Line> lines = new ArrayList<>();
        shot.drill().ifPresent(name ->
                lines.add(new Line(Mark.WARN, "DRILL " + name + ": an exercise, nothing here is real")));
        lines.add(state(shot));
        // What needs a person stands right under the state.
        shot.message().ifPresent(due -> lines.addAll(message(due, shot.record())));
        if (shot.untold() > 0) {
            lines.add(new Line(Mark.WARN, Text.count(shot.untold(), "message") + " not accepted yet, tried again"));
        }
        String began = shot.incident().map(ago -> "began " + words(ago) + " ago").orElse("no incident");
        String next = shot.next().map(left -> "next round in " + words(left)).orElse("looking now");
        lines.add(new Line(Mark.NONE, began + "; " + next + "; Ctrl-C leaves; "
                + Text.count(shot.requests(), "request") + " spent"));
        return lines;
    }

    private static Line state(Shot shot) {
        // Everything fails that asks Klaviyo's API, or some of it: not the same to whoever is asked how bad it is.
        List<Reading> asked = shot.readings().stream().filter(one -> one.result() != Result.UNKNOWN).toList();
        List<Reading> api = asked.stream().filter(reading -> reading.check().matches("auth|endpoint:.*")).toList();
        boolean all = (api.isEmpty() ? asked : api).stream().allMatch(reading -> reading.result() == Result.BAD);
        String lasting = " for " + words(shot.lasting()) + " (now " + clock(shot.now()) + " UTC)";
        return switch (shot.state()) {
            case HEALTHY, RECOVERED -> new Line(Mark.OK, shot.state() + lasting);
            case DEGRADED -> new Line(Mark.FAIL, (all ? "DOWN" : "DEGRADED") + lasting);
            case FLAPPING, RECOVERING -> new Line(Mark.WARN, shot.state() + lasting);
            case STARTING -> new Line(Mark.WARN, "STARTING: nothing is decided yet");
        };
    }

    private static List<Line> message(Duration due, Optional<String> record) {
        if (record.isEmpty()) {
            return List.of(new Line(Mark.NONE, "next post to Slack in " + words(due)));
        } else if (due.compareTo(Telling.SOON) >= 0) {
            return List.of();
        }
        String when = due.isNegative() ? "OVERDUE by " + words(due.negated()) : "DUE in " + words(due);
        return List.of(new Line(Mark.WARN, "MESSAGE TO PEOPLE " + when + "; once sent, say so:"),
                new Line(null, record.get()));
    }

    private static Line check(Reading reading, Optional<Duration> wait) {
        Mark mark = switch (reading.result()) {
            case GOOD -> Mark.OK;
            case BAD -> Mark.FAIL;
            case UNKNOWN -> Mark.SKIP;
        };
        String took = reading.millis() < 10_000 ? reading.millis() + " ms" : reading.millis() / 1_000 + " s";
        String again = wait.filter(left -> !reading.fresh()).map(left -> "(again in " + words(left) + ") ").orElse("");
        String name = Text.safe(reading.check(), LONGEST_NAME);
        return new Line(mark, String.format("%-" + LONGEST_NAME + "s %7s  ", name, took) + again + reading.words());
    }

    private static String clock(Instant at) {
        return at.toString().substring(11, 19);
    }

    private static String words(Duration duration) {
        return Durations.words(Duration.ofSeconds(Math.max(1, (duration.toMillis() + 999) / 1_000)));
    }
}
