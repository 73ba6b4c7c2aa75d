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
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import runbook.Cli;
import runbook.Text;
import runbook.Text.Durations;
import runbook.Tool;
import runbook.watching.Keeper.Condition;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.State;
import runbook.watching.Memory.History;
import runbook.watching.Watching.Shot;

/**
 * The live view: one picture on a screen of its own, painted again every second, after every event and when the
 * terminal changes its size. The terminal keeps its settings (Ctrl-C ends the watch), and gets its screen and cursor
 * back when this closes or a signal ends the process.
 */
public final class LiveView implements Watching.Face {
    private static final String OPEN = "\033[?1049h\033[?25l\033[2J";
    private static final String GIVE_BACK = "\033[?7h\033[?25h\033[?1049l";
    private static final Duration SIZING = Duration.ofSeconds(2);
    private static final long PAINT_EVERY = 1_000_000_000L;
    private static final int NOTES = 6;
    private static final int NARROWEST = 20;
    private static final int LOWEST = 3;

    private final Cli.Host host;
    private final Tool tool;
    private final boolean unicode;
    private final boolean color;
    private final Thread giveBack = new Thread(this::giveBack, "terminal");
    private final Deque<Note> notes = new ArrayDeque<>();
    private int[] size;
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

    private LiveView(Cli.Host host, Tool tool, boolean unicode, boolean color) {
        this.host = host;
        this.tool = tool;
        this.unicode = unicode;
        this.color = color;
        this.size = size(tool, host);
        Runtime.getRuntime().addShutdownHook(giveBack);
        onResize();
        say(OPEN);
    }

    /** A view on the terminal behind standard output; empty where there is none that can show one. */
    public static Optional<LiveView> open(Cli.Host host, Tool tool, boolean unicode, boolean color) {
        String type = host.env("TERM").orElse("dumb");
        boolean capable = host.terminal() && !type.startsWith("dumb") && !type.equals("unknown");
        return capable ? Optional.of(new LiveView(host, tool, unicode, color)) : Optional.empty();
    }

    /** Rows and columns: as the terminal says, else as the shell does. */
    private static int[] size(Tool tool, Cli.Host host) {
        String said = "";
        try {
            said = tool.run(tool.shell("stty size </dev/tty"), "", SIZING, Map.of()).out().strip();
        } catch (Tool.Failure e) {
            // The shell has an idea of it too.
        }
        String shell = host.env("LINES").orElse("24") + " " + host.env("COLUMNS").orElse("80");
        return Stream.of(said, shell, "24 80").filter(one -> one.matches("\\d{1,4} \\d{1,4}")).findFirst()
                .map(one -> Stream.of(one.split(" ")).mapToInt(Integer::parseInt).toArray()).orElseThrow();
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
            size = size(tool, host);
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
        int columns = Math.max(NARROWEST, size[1]);
        List<String> lines = lay(shot, shown, columns, Math.max(LOWEST, size[0] - 1), unicode, color);
        say("\033[?7l\033[H" + String.join("\033[K\r\n", lines) + "\033[K\033[J\033[?7h\033[H");
    }

    // ---- the picture

    private static final String BOLD = "1";
    private static final String GOOD = "32";
    private static final String BAD = "31";
    private static final String WARN = "33";
    private static final String SOFT = "2";
    private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm:ss").withZone(ZoneOffset.UTC);
    private static final Duration SOON = Duration.ofMinutes(5);
    private static final int LONGEST_NAME = 20;
    private static final int SPARK_AT_LEAST = 8;
    private static final int SPARK_AT_MOST = 40;
    private static final int WORDS_AT_LEAST = 20;

    /** The lines to show on a terminal of this size: none wider than {@code columns - 1}, no more than {@code rows}. */
    public static List<String> lay(Shot shot, List<Note> notes, int columns, int rows, boolean unicode, boolean color) {
        Panel panel = new Panel(shot, columns, unicode, color, new ArrayList<>());
        panel.head();
        panel.checks();
        panel.conditions();
        panel.said(notes);
        panel.foot();
        return panel.fitted(rows);
    }

    private record Line(int dispensable, String text) { }

    /** Lays a shot out: when the terminal is too low, the most dispensable lines go first. */
    private record Panel(Shot shot, int columns, boolean unicode, boolean color, List<Line> lines) {
        /** A symbol, and the colour that repeats what it says. */
        private record Sign(String symbol, String ascii, String style) { }

        private static final Sign OK = new Sign("✓", "+", GOOD);
        private static final Sign FAIL = new Sign("✗", "x", BAD);
        private static final Sign UNSTEADY = new Sign("!", "!", BAD);
        private static final Sign OPEN = new Sign("…", ".", WARN);
        private static final Sign NOTHING = new Sign("–", "-", SOFT);

        private void head() {
            shot.drill().ifPresent(name -> add(0, WARN, "DRILL " + name + ": an exercise, nothing here is real"));
            Sign sign = switch (shot.state()) {
                case HEALTHY, RECOVERED -> OK;
                case DEGRADED -> FAIL;
                case FLAPPING -> UNSTEADY;
                case STARTING, RECOVERING -> OPEN;
            };
            boolean starting = shot.state() == State.STARTING;
            add(0, sign.style + ";1", symbol(sign) + " " + state()
                    + (starting ? ": nothing is decided yet" : " for " + words(shot.lasting())));
            due();
            String began = shot.incident().map(ago -> "incident began " + words(ago) + " ago").orElse("no incident");
            add(3, "", "  " + began + "; now " + CLOCK.format(shot.now()) + " UTC");
            add(8, "", "");
        }

        // Everything fails that asks Klaviyo's API, or some of it: not the same to whoever is asked how bad it is.
        private String state() {
            List<Reading> asked = shot.readings().stream().filter(one -> one.result() != Result.UNKNOWN).toList();
            List<Reading> api = asked.stream().filter(reading -> reading.check().matches("auth|endpoint:.*")).toList();
            boolean all = (api.isEmpty() ? asked : api).stream().allMatch(reading -> reading.result() == Result.BAD);
            return shot.state() == State.DEGRADED && all ? "DOWN" : shot.state().name();
        }

        // What needs a person stands right under the state.
        private void due() {
            shot.message().filter(due -> !shot.posts() && due.compareTo(SOON) < 0).ifPresent(due -> {
                String when = due.isNegative() ? "OVERDUE by " + words(due.negated()) : "DUE in " + words(due);
                add(1, WARN + ";1", (unicode ? "▶" : ">") + " MESSAGE TO PEOPLE " + when);
            });
            if (shot.untold() > 0) {
                add(2, WARN, "! " + Text.count(shot.untold(), "message") + " not accepted yet, tried again");
            }
        }

        private void checks() {
            int name = shot.readings().stream().mapToInt(one -> Math.min(LONGEST_NAME, one.check().length())).max()
                    .orElse(5);
            int left = columns - name - 20;
            int spark = Math.max(SPARK_AT_LEAST,
                    Math.min(SPARK_AT_MOST, left - WORDS_AT_LEAST >= 2 * SPARK_AT_LEAST ? left / 2 : left - 1));
            boolean words = left - spark - 2 >= WORDS_AT_LEAST;
            String row = " %-" + name + "s  %5s  %7s  %-" + spark + "s  %s";
            add(6, SOFT, " " + String.format(row, "check", "good", "last", "latency", words ? "last said" : ""));
            for (Reading reading : shot.readings()) {
                Sign sign = reading.result() == Result.GOOD ? OK : reading.result() == Result.BAD ? FAIL : NOTHING;
                History.Series series = shot.history().series().get(reading.check());
                String good = series == null ? "" : series.percent() + " %";
                String took = reading.millis() < 10_000 ? reading.millis() + " ms" : reading.millis() / 1_000 + " s";
                String curve = series == null ? "" : sparkline(series.buckets(), spark, unicode);
                String said = waits(reading) + reading.words();
                add(sign == OK ? 4 : 2, sign.style, symbol(sign) + String.format(row, Text.safe(reading.check(), name),
                        good, reading.millis() == 0 && series == null ? "" : took, curve, words ? said : ""));
            }
            add(8, "", "");
        }

        private String waits(Reading reading) {
            Duration wait = reading.fresh() ? null : shot.waits().get(reading.check());
            return wait == null ? "" : "(again in " + Durations.words(Duration.ofSeconds(wait.toSeconds() + 1)) + ") ";
        }

        private void conditions() {
            add(7, SOFT, "  to call it recovered");
            shot.conditions().forEach(one -> {
                Sign sign = one.met() ? OK : OPEN;
                add(1, sign.style, symbol(sign) + " " + one.words());
            });
            add(8, "", "");
        }

        private void said(List<Note> notes) {
            shot.vendor().ifPresent(update -> {
                String at = update.at() == null ? "" : " at " + CLOCK.format(update.at());
                add(3, "", "  Klaviyo" + at + ", " + update.status() + ": " + update.incident());
                add(7, SOFT, "  " + update.body());
            });
            // Newest first; older ones and drafts give way to it.
            for (int i = 0; i < notes.size(); i++) {
                Note note = notes.get(i);
                boolean newest = notes.subList(0, i).stream().allMatch(Note::minor) && !note.minor();
                add(newest ? 3 : note.minor() ? 7 : 5, newest ? "" : SOFT,
                        "  " + CLOCK.format(note.at) + " " + note.kind + ": " + note.words);
            }
            add(8, "", "");
        }

        private void foot() {
            String next = shot.next().map(left -> "next round in " + (left.toMillis() + 999) / 1_000 + " s")
                    .orElse("looking now");
            String post = shot.message().filter(due -> shot.posts())
                    .map(due -> "; next post to Slack in " + words(due)).orElse("");
            add(1, "", "  " + Text.count(shot.requests(), "request") + " spent; " + next + post);
            add(6, SOFT, "  Ctrl-C leaves; started again, watch goes on from the journal");
        }

        private static String words(Duration duration) {
            return Durations.words(Duration.ofSeconds(Math.max(1, duration.toSeconds())));
        }

        private List<String> fitted(int rows) {
            // The most dispensable first, and of those the last.
            List<Integer> going = IntStream.range(0, lines.size()).boxed().sorted(Comparator
                    .comparing((Integer one) -> lines.get(one).dispensable()).thenComparing(one -> one).reversed())
                    .limit(Math.max(0, lines.size() - Math.max(1, rows))).toList();
            return IntStream.range(0, lines.size()).filter(one -> !going.contains(one))
                    .mapToObj(one -> lines.get(one).text()).toList();
        }

        // One column stays free, and the terminal does not wrap: what is wider there than here is cut at its edge.
        private void add(int dispensable, String style, String words) {
            String plain = (unicode ? words : words.replaceAll("[^\\x20-\\x7e]", "?")).stripTrailing();
            if (plain.codePointCount(0, plain.length()) >= columns) {
                plain = plain.substring(0, plain.offsetByCodePoints(0, columns - 2)) + (unicode ? "…" : "~");
            }
            boolean styled = color && !style.isEmpty();
            lines.add(new Line(dispensable, styled ? "\033[" + style + "m" + plain + "\033[0m" : plain));
        }

        private String symbol(Sign sign) {
            return unicode ? sign.symbol : sign.ascii;
        }
    }

    /** Latencies as one character a look, the newest ones: a failed look is a cross, not a colour. */
    private static String sparkline(List<History.Bucket> looks, int width, boolean unicode) {
        List<History.Bucket> shown = looks.subList(Math.max(0, looks.size() - width), looks.size());
        long slowest = shown.stream().filter(look -> look.failures() == 0).mapToLong(History.Bucket::maxMillis).max()
                .orElse(0);
        StringBuilder line = new StringBuilder();
        for (History.Bucket look : shown) {
            int height = slowest == 0 ? 0 : (int) Math.min(7, look.maxMillis() * 8 / (slowest + 1));
            char failed = unicode ? '×' : 'x';
            line.append(look.failures() > 0 ? failed : (unicode ? "▁▂▃▄▅▆▇█" : "_.,-=+*#").charAt(height));
        }
        return line.toString();
    }
}
