package runbook.watching;

import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jline.utils.AttributedString;
import org.jline.utils.AttributedStringBuilder;
import org.jline.utils.AttributedStyle;
import runbook.Text.Durations;
import runbook.Text;
import runbook.watching.Reading.Result;

/** Lays a {@link Snapshot} out for a terminal of any size: no line wider, no more lines than fit, the least important left out first. */
public final class Panel {
    private static final int LONGEST_NAME = 20;
    private static final int SPARK_AT_LEAST = 8;
    private static final int SPARK_AT_MOST = 40;
    private static final int WORDS_AT_LEAST = 20;
    private static final AttributedStyle PLAIN = AttributedStyle.DEFAULT;
    private static final AttributedStyle BOLD = PLAIN.bold();
    private static final AttributedStyle GOOD = PLAIN.foreground(AttributedStyle.GREEN);
    private static final AttributedStyle BAD = PLAIN.foreground(AttributedStyle.RED);
    private static final AttributedStyle WARN = PLAIN.foreground(AttributedStyle.YELLOW);
    private static final AttributedStyle SOFT = PLAIN.faint();

    /** How dear a line is: when the terminal is too low, the highest go first. */
    private record Line(int dispensable, AttributedString text) { }

    /** A symbol, and the colour that repeats what it says. */
    private record Sign(String symbol, String ascii, AttributedStyle style) { }

    private static final Sign OK = new Sign("✓", "+", GOOD);
    private static final Sign FAIL = new Sign("✗", "x", BAD);
    private static final Sign OPEN = new Sign("…", ".", WARN);
    private static final Sign NOTHING = new Sign("–", "-", SOFT);
    private static final Map<State, Sign> STATES = Map.of(
            State.STARTING, OPEN, State.HEALTHY, OK, State.DEGRADED, FAIL,
            State.RECOVERING, OPEN, State.FLAPPING, new Sign("!", "!", BAD), State.RECOVERED, OK);

    private final Snapshot shot;
    private final int columns;
    private final boolean unicode;
    private final boolean color;
    private final List<Line> lines = new ArrayList<>();

    private Panel(Snapshot shot, int columns, boolean unicode, boolean color) {
        this.shot = shot;
        this.columns = columns;
        this.unicode = unicode;
        this.color = color;
    }

    /** The lines to show on a terminal of this size: none wider than {@code columns - 1}, no more than {@code rows}. */
    public static List<AttributedString> lay(Snapshot shot, int columns, int rows, boolean unicode, boolean color) {
        Panel panel = new Panel(shot, columns, unicode, color);
        panel.head();
        panel.checks();
        panel.conditions();
        panel.vendor();
        panel.foot();
        return panel.fitted(rows);
    }

    private void head() {
        shot.drill()
                .ifPresent(scenario ->
                        add(0, text(WARN.bold(), "DRILL " + scenario + ": an exercise, nothing here is real")));
        Sign sign = STATES.get(shot.state());
        add(
                0,
                new AttributedStringBuilder()
                        .append(
                                symbol(sign) + " " + shot.state().name(),
                                style(sign.style().bold()))
                        .append(" for " + Durations.words(atLeastASecond(shot.lasting())), style(BOLD))
                        .toAttributedString());
        String incident = shot.incident()
                .map(since -> "incident began " + Durations.words(atLeastASecond(since)) + " ago; now ")
                .orElse("no incident so far; now ");
        add(3, text(PLAIN, "  " + incident + shot.now().truncatedTo(ChronoUnit.SECONDS)));
        add(8, AttributedString.EMPTY);
    }

    private void checks() {
        int name = Math.min(LONGEST_NAME, shot.readings().stream().mapToInt(reading -> reading.check().length()).max().orElse(5));
        int left = columns - 2 - name - 2 - 5 - 2 - 7 - 2;
        int spark = Math.max(
                SPARK_AT_LEAST, Math.min(SPARK_AT_MOST, left - WORDS_AT_LEAST >= 2 * SPARK_AT_LEAST ? left / 2 : left));
        int words = left - spark - 2;
        add(
                5,
                text(
                        SOFT,
                        String.format(
                                "  %-" + name + "s  %5s  %7s  %-" + spark + "s  %s",
                                "check",
                                "good",
                                "last",
                                "latency",
                                words >= WORDS_AT_LEAST ? "last said" : "")));
        for (Reading reading : shot.readings()) {
            add(reading.result() == Result.GOOD ? 4 : 2, check(reading, name, spark, words));
        }
        add(8, AttributedString.EMPTY);
    }

    private AttributedString check(Reading reading, int name, int spark, int words) {
        Sign sign = reading.result() == Result.GOOD ? OK : reading.result() == Result.BAD ? FAIL : NOTHING;
        Series series = shot.history().series().get(reading.check());
        String good = series == null ? "" : String.format(Locale.ROOT, "%.0f %%", Math.floor(100 * series.success()));
        String last = reading.millis() == 0 && series == null
                ? ""
                : reading.millis() < 10_000 ? reading.millis() + " ms" : reading.millis() / 1_000 + " s";
        String line = series == null ? "" : Sparkline.of(series.recent(), spark, unicode);
        Duration wait = shot.waits().get(reading.check());
        String said = (wait == null || reading.fresh()
                        ? ""
                        : "(again in " + Durations.words(Duration.ofSeconds(wait.toSeconds() + 1)) + ") ")
                + reading.words();
        AttributedStringBuilder row = new AttributedStringBuilder().append(symbol(sign), style(sign.style()))
                .append(String.format(" %-" + name + "s  %5s  %7s  ", Text.safe(reading.check(), name), good, last))
                .append(String.format("%-" + spark + "s", line), style(sign == FAIL ? BAD : PLAIN));
        return (words >= WORDS_AT_LEAST ? row.append("  " + ascii(said), style(SOFT)) : row).toAttributedString();
    }

    private void conditions() {
        add(6, text(SOFT, "  to call it recovered"));
        for (Condition condition : shot.conditions()) {
            Sign sign = condition.met() ? OK : OPEN;
            add(
                    1,
                    new AttributedStringBuilder()
                            .append(symbol(sign), style(sign.style()))
                            .append(" " + ascii(condition.words()))
                            .toAttributedString());
        }
        add(8, AttributedString.EMPTY);
    }

    private void vendor() {
        shot.update().ifPresent(update -> {
            add(
                    3,
                    text(
                            PLAIN,
                            "  Klaviyo"
                                    + (update.at() == null
                                            ? ""
                                            : " at " + update.at().truncatedTo(ChronoUnit.SECONDS)) + ", "
                                    + update.status() + ": " + update.incident()));
            add(6, text(SOFT, "  " + update.body()));
        });
        shot.notes().forEach(note -> add(7, text(SOFT, "  " + note)));
        add(8, AttributedString.EMPTY);
    }

    private void foot() {
        String next = shot.next()
                .map(left -> "next round in " + Math.max(0, (left.toMillis() + 999) / 1_000) + " s")
                .orElse("looking now");
        add(1, text(PLAIN, "  " + Text.count(shot.requests(), "request") + " spent; " + next));
        shot.message().ifPresent(due -> add(2, due.isNegative()
                ? text(WARN, "  next message to people is overdue by " + Durations.words(atLeastASecond(due.negated())))
                : text(PLAIN, "  next message to people due in " + Durations.words(atLeastASecond(due)))));
        if (shot.untold() > 0) {
            add(2, text(WARN, "  " + Text.count(shot.untold(), "message") + " not accepted yet, tried again"));
        }
        add(5, text(SOFT, "  q leaves; started again, watch goes on from the journal"));
    }

    private static Duration atLeastASecond(Duration duration) {
        return Duration.ofSeconds(Math.max(0, duration.toSeconds()));
    }

    private List<AttributedString> fitted(int rows) {
        List<Line> kept = new ArrayList<>(lines);
        while (kept.size() > Math.max(1, rows)) {
            int worst = kept.stream().max(Comparator.comparingInt(Line::dispensable)).orElseThrow().dispensable();
            for (int i = kept.size() - 1; i >= 0; i--) {
                if (kept.get(i).dispensable() == worst) {
                    kept.remove(i);
                    break;
                }
            }
        }
        return kept.stream().map(Line::text).toList();
    }

    private void add(int dispensable, AttributedString text) {
        // One column stays free: a terminal that wraps after its last column would break the picture.
        boolean fits = text.columnLength() < columns;
        lines.add(new Line(dispensable, fits ? text : new AttributedStringBuilder()
                .append(text.columnSubSequence(0, columns - 2)).append(unicode ? "…" : "~").toAttributedString()));
    }

    private AttributedString text(AttributedStyle style, String words) {
        return new AttributedString(ascii(words), style(style));
    }

    private AttributedStyle style(AttributedStyle style) {
        return color ? style : PLAIN;
    }

    private String symbol(Sign sign) {
        return unicode ? sign.symbol() : sign.ascii();
    }

    private String ascii(String words) {
        return unicode ? words : words.replaceAll("[^\\x20-\\x7e]", "?");
    }
}
