package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import runbook.Cli;
import runbook.Screen;
import runbook.Screen.Mark;
import runbook.Text;
import runbook.Text.Durations;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.State;
import runbook.watching.Watching.Shot;

/**
 * The live view: one picture on a screen of its own, painted again every second, after every event and when the
 * terminal changes its size. The terminal keeps its settings (Ctrl-C ends the watch), and gets its screen and cursor
 * back when this closes or a signal ends the process.
 */
public final class LiveView implements Watching.Face {
    private static final String OPEN = "\033[?1049h\033[?25l\033[2J";
    private static final String GIVE_BACK = "\033[?7h\033[?25h\033[?1049l";
    private static final long PAINT_EVERY = 1_000_000_000L;
    private static final int NOTES = 6;
    private static final int NARROWEST = 20;
    private static final int LOWEST = 3;

    private final Cli.Host host;
    private final Screen screen;
    private final Thread giveBack = new Thread(this::giveBack, "terminal");
    private final Deque<Note> notes = new ArrayDeque<>();
    private Screen.Size size;
    private boolean open = true;
    private long painted;
    private volatile boolean resized;
    private volatile boolean stale = true;

    /** An event as the view remembers it. */
    public record Note(Instant at, String kind, String words) {
        // What a person need not act on gives way to what one has to.
        private boolean minor() {
            return Set.of("draft", "ran", "watching", "slowed", "status-page").contains(kind);
        }
    }

    private LiveView(Cli.Host host, Screen screen) {
        this.host = host;
        this.screen = screen;
        this.size = Screen.Size.of(host);
        Runtime.getRuntime().addShutdownHook(giveBack);
        onResize();
        say(OPEN);
    }

    /** A view on the terminal behind standard output; empty where there is none that can show one. */
    public static Optional<LiveView> open(Cli.Host host, Screen screen) {
        String type = host.env("TERM").orElse("dumb");
        boolean capable = host.terminal() && !type.startsWith("dumb") && !type.equals("unknown");
        return capable ? Optional.of(new LiveView(host, screen)) : Optional.empty();
    }

    // By reflection: named in the source, the compiler warns of it at each first start. Without it the size stays.
    private void onResize() {
        try {
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Class<?> signal = Class.forName("sun.misc.Signal");
            Object acting = Proxy.newProxyInstance(handler.getClassLoader(), new Class<?>[] {handler},
                    (proxy, method, values) -> {
                        resized |= method.getName().equals("handle");
                        return null;
                    });
            signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance("WINCH"), acting);
        } catch (ReflectiveOperationException | RuntimeException e) {
            // No such signal here.
        }
    }

    private synchronized void say(String text) {
        if (open) {
            byte[] bytes = text.getBytes(host.charset());
            host.out().write(bytes, 0, bytes.length);
            host.out().flush();
        }
    }

    private synchronized void giveBack() {
        say(GIVE_BACK);
        open = false;
    }

    @Override
    public void close() {
        giveBack();
        try {
            Runtime.getRuntime().removeShutdownHook(giveBack);
        } catch (IllegalStateException e) {
            // The process is ending already, and the hook has run.
        }
    }

    @Override
    public void event(Instant at, String kind, String words, JsonNode data) {
        // A bell for whoever looks elsewhere.
        say(Set.of("degraded", "recovering", "flapping", "recovered").contains(kind) ? "\007" : "");
        synchronized (notes) {
            notes.addFirst(new Note(at, kind, words));
            while (notes.size() > NOTES) {
                Optional<Note> oldestMinor = notes.stream().filter(Note::minor).reduce((one, older) -> older);
                notes.removeLastOccurrence(oldestMinor.orElseGet(notes::getLast));
            }
        }
        stale = true;
    }

    @Override
    public void round(Supplier<JsonNode> json) {
        stale = true;
    }

    @Override
    public void idle(Duration most, Supplier<Shot> shot) throws InterruptedException {
        if (resized) {
            resized = false;
            stale = true;
            size = Screen.Size.of(host);
            say("\033[2J");
        }
        if (stale || System.nanoTime() - painted > PAINT_EVERY) {
            stale = false;
            painted = System.nanoTime();
            paint(shot.get());
        }
        Thread.sleep(Math.min(250, most.toMillis()));
    }

    private void paint(Shot shot) {
        List<Note> shown;
        synchronized (notes) {
            shown = List.copyOf(notes);
        }
        int columns = Math.max(NARROWEST, size.columns());
        List<String> lines = lay(shot, shown, columns, Math.max(LOWEST, size.rows() - 1), screen);
        say("\033[?7l\033[H" + String.join("\033[K\r\n", lines) + "\033[K\033[J\033[?7h\033[H");
    }

    // ---- the picture

    private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm:ss").withZone(ZoneOffset.UTC);
    private static final Duration SOON = Duration.ofMinutes(5);
    private static final int LONGEST_NAME = 20;

    /**
     * The lines to show on a terminal of this size, what matters most first: none wider than {@code columns - 1}, no
     * more than {@code rows}.
     */
    public static List<String> lay(Shot shot, List<Note> notes, int columns, int rows, Screen screen) {
        Panel panel = new Panel(columns, screen, new ArrayList<>());
        panel.head(shot);
        panel.add(Mark.NONE, "");
        shot.conditions().forEach(one -> panel.add(one.met() ? Mark.OK : Mark.WARN, one.words()));
        // The newest event that is of weight stands above all checks, older ones and drafts below.
        Optional<Note> newest = notes.stream().filter(note -> !note.minor()).findFirst();
        newest.ifPresent(panel::note);
        panel.add(Mark.NONE, "");
        shot.readings().stream().sorted(Comparator.comparing(one -> one.result() != Result.BAD))
                .forEach(reading -> panel.check(reading, shot.again().apply(reading.check())));
        panel.add(Mark.NONE, "");
        notes.stream().filter(note -> newest.filter(note::equals).isEmpty()).forEach(panel::note);
        return panel.lines.subList(0, Math.min(rows, panel.lines.size()));
    }

    private record Panel(int columns, Screen screen, List<String> lines) {
        private void head(Shot shot) {
            shot.drill().ifPresent(name -> add(Mark.WARN, "DRILL " + name + ": an exercise, nothing here is real"));
            boolean starting = shot.state() == State.STARTING;
            Mark mark = switch (shot.state()) {
                case HEALTHY, RECOVERED -> Mark.OK;
                case DEGRADED -> Mark.FAIL;
                case FLAPPING, STARTING, RECOVERING -> Mark.WARN;
            };
            add(mark, state(shot) + (starting ? ": nothing is decided yet" : " for " + words(shot.lasting())));
            shot.message().ifPresent(due -> message(due, shot.posts()));
            if (shot.untold() > 0) {
                add(Mark.WARN, Text.count(shot.untold(), "message") + " not accepted yet, tried again");
            }
            String began = shot.incident().map(ago -> "incident began " + words(ago) + " ago").orElse("no incident");
            String next = shot.next().map(left -> "next round in " + words(left)).orElse("looking now");
            add(Mark.NONE, began + "; now " + CLOCK.format(shot.now()) + " UTC; " + next);
            add(Mark.NONE, Text.count(shot.requests(), "request") + " spent; Ctrl-C leaves, and watch goes on when it "
                    + "is started again");
        }

        // Everything fails that asks Klaviyo's API, or some of it: not the same to whoever is asked how bad it is.
        private static String state(Shot shot) {
            List<Reading> asked = shot.readings().stream().filter(one -> one.result() != Result.UNKNOWN).toList();
            List<Reading> api = asked.stream().filter(reading -> reading.check().matches("auth|endpoint:.*")).toList();
            boolean all = (api.isEmpty() ? asked : api).stream().allMatch(reading -> reading.result() == Result.BAD);
            return shot.state() == State.DEGRADED && all ? "DOWN" : shot.state().name();
        }

        // What needs a person stands right under the state.
        private void message(Duration due, boolean posted) {
            if (posted) {
                add(Mark.NONE, "next post to Slack in " + words(due));
            } else if (due.compareTo(SOON) < 0) {
                String when = due.isNegative() ? "OVERDUE by " + words(due.negated()) : "DUE in " + words(due);
                add(Mark.WARN, "MESSAGE TO PEOPLE " + when);
            }
        }

        private void check(Reading reading, Optional<Duration> wait) {
            Mark mark = switch (reading.result()) {
                case GOOD -> Mark.OK;
                case BAD -> Mark.FAIL;
                case UNKNOWN -> Mark.SKIP;
            };
            String took = reading.millis() < 10_000 ? reading.millis() + " ms" : reading.millis() / 1_000 + " s";
            String again = wait.filter(left -> !reading.fresh())
                    .map(left -> "(again in " + words(left) + ") ").orElse("");
            add(mark, String.format("%-" + LONGEST_NAME + "s %7s  ", Text.safe(reading.check(), LONGEST_NAME), took)
                    + again + reading.words());
        }

        private void note(Note note) {
            add(Mark.NONE, CLOCK.format(note.at) + " " + note.kind + ": " + note.words);
        }

        private static String words(Duration duration) {
            return Durations.words(Duration.ofSeconds(Math.max(1, (duration.toMillis() + 999) / 1_000)));
        }

        private void add(Mark mark, String words) {
            lines.add(screen.cut(mark, words, columns));
        }
    }
}
