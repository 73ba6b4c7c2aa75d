package runbook.report;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.LocalDate;
import java.time.LocalTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What is still to do in a postmortem, line by line. */
public final class Unfinished {
    /**
     * One place that is not done.
     *
     * @param line    counted from 1
     * @param rule    a word for machines: placeholder, owner, due, overdue, to-confirm, blame, offer, order, hole
     * @param message what to do about it
     */
    public record Place(int line, String rule, String message) { }

    /** A kind of place that a pattern finds; what it finds is quoted in the message. */
    private record Rule(String name, Pattern pattern, String message) { }

    private static final List<Rule> RULES = List.of(
            new Rule(
                    "placeholder",
                    Pattern.compile("(?<![\\\\!\\]])\\[(?!["
                            + " xX]\\]|\\^)[^\\]\\[]*[^\\]\\[\\s][^\\]\\[]*\\](?![(\\[:])|\\[\\.\\.\\.\\]"),
                    "is a placeholder: fill it in, or delete it"),
            new Rule(
                    "placeholder",
                    Pattern.compile(
                            "\\{\\{[^}]*}}|\\bYYYY-MM-DD\\b|\\bHH:MM\\b|\\bTBD\\b|\\bTODO\\b|\\bFIXME\\b|P\\[1-4\\]"),
                    "is a placeholder: fill it in, or delete it"),
            new Rule(
                    "to-confirm",
                    Pattern.compile("(?i)to confirm|to be confirmed"),
                    "is still there: confirm it and delete these words, or correct it"),
            new Rule(
                    "blame",
                    Pattern.compile("(?i)\\b(human error|operator error|user"
                        + " error|careless(ly|ness)?|negligen(t|ce)|incompeten(t|ce)|stupid(ly|ity)?|lazy|sloppy|should"
                        + " have known|should have (noticed|checked|seen)|failed to follow|forgot to|to"
                        + " blame|(his|her|their) fault|fault of|mistake (of|by))\\b"),
                    "blames: say what made it possible, not who did it"),
            new Rule(
                    "offer",
                    Pattern.compile("<!-- offered:([a-z0-9-]+) .*-->"),
                    "offers newer text beside a part that somebody edited: take over what helps, then delete the"
                            + " offer"));

    private static final Pattern ACTION = Pattern.compile("\\s*[-*+] \\[( |x|X)\\] .*");
    private static final Pattern OWNER =
            Pattern.compile("(?i)\\bowner:\\s*(\\[[^\\]]*\\]|[^\\s|-][^|]*?)?\\s*(?:-\\s*due:|\\||$)");
    private static final Pattern DUE = Pattern.compile("(?i)\\bdue:\\s*(\\[[^\\]]*\\]|\\S+)?");
    private static final Pattern ROW =
            Pattern.compile("(?:\\|\\s*|[-*] )(?:(\\d{4}-\\d\\d-\\d\\d) )?(\\d\\d:\\d\\d)(?:–(?:(\\d{4}-\\d\\d-\\d\\d)"
                    + " )?(\\d\\d:\\d\\d))?\\s*(?:\\||-)(.*)");
    private static final Pattern HEADING = Pattern.compile("#{1,6} (.*)");
    private static final Pattern EXPLAINED =
            Pattern.compile("(?i)\\bgap\\s+(\\d\\d:\\d\\d)\\s*[-–]\\s*(\\d\\d:\\d\\d)\\s*:\\s*\\S");
    private static final int LONGEST_HOLE = 30;

    private final List<String> lines;
    private final LocalDate today;
    private final List<Place> places = new ArrayList<>();

    private Unfinished(String document, LocalDate today) {
        this.lines = document.lines().toList();
        this.today = today;
    }

    /**
     * The unfinished places, in the order of their lines.
     *
     * @param document Markdown
     * @param today    due dates before it are overdue
     */
    public static List<Place> in(String document, LocalDate today) {
        Unfinished check = new Unfinished(document, today);
        check.eachLine();
        check.timeline();
        check.places.sort(Comparator.comparingInt(Place::line));
        return List.copyOf(check.places);
    }

    private void eachLine() {
        boolean fenced = false;
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            fenced ^= line.stripLeading().startsWith("```");
            if (fenced) {
                continue;
            }
            // Inline code quotes commands, and a command's "…" or [x] is no gap in the text.
            String text = line.replaceAll("`[^`]*`", "``");
            if (ACTION.matcher(text).matches()) {
                action(i + 1, text);
                text = text.replaceAll("(?i)\\b(owner|due):\\s*\\[[^\\]]*\\]", "");
            }
            for (Rule rule : RULES) {
                Matcher found = rule.pattern.matcher(comment(text) && !rule.name.equals("offer") ? "" : text);
                if (found.find()) {
                    add(
                            i + 1,
                            rule.name,
                            "\"" + (rule.name.equals("offer") ? found.group(1) : found.group()) + "\" " + rule.message);
                }
            }
        }
    }

    private static boolean comment(String line) {
        return line.strip().startsWith("<!--") && line.strip().endsWith("-->");
    }

    private void action(int line, String text) {
        Matcher owner = OWNER.matcher(text);
        if (!owner.find() || owner.group(1) == null || owner.group(1).startsWith("[") || owner.group(1).isBlank()) {
            add(line, "owner", "the action has no owner: write \"- Owner: name\"");
        }
        Matcher due = DUE.matcher(text);
        String date = due.find() && due.group(1) != null ? due.group(1).replaceAll("[.,;|]+$", "") : "";
        if (!date.matches("\\d{4}-\\d\\d-\\d\\d")) {
            add(line, "due", "the action has no due date: write \"- Due: " + today.plusDays(14) + "\"");
            return;
        }
        boolean done = text.strip().matches("[-*+] \\[[xX]\\].*");
        try {
            if (!done && LocalDate.parse(date).isBefore(today)) {
                add(line, "overdue", "the action was due on " + date + ": tick it off, or give it a new date");
            }
        } catch (DateTimeException e) {
            add(line, "due", "\"" + date + "\" is no date");
        }
    }

    private void timeline() {
        boolean inside = false;
        boolean restored = false;
        boolean noticed = false;
        Moment last = null;
        for (int i = 0; i < lines.size(); i++) {
            Matcher heading = HEADING.matcher(lines.get(i));
            if (heading.matches()) {
                inside = heading.group(1).toLowerCase(Locale.ROOT).startsWith("timeline");
            }
            Matcher row = ROW.matcher(lines.get(i));
            if (!inside || !row.matches()) {
                continue;
            }
            Moment at = new Moment(row.group(1), row.group(2));
            if (last != null && noticed && !restored) {
                compare(i + 1, last, at);
            } else if (last != null && at.before(last)) {
                order(i + 1, last, at);
            }
            noticed |= !row.group(5).contains("Last normal moment") && !row.group(5).contains("First symptom");
            restored |= row.group(5).contains("Service restored");
            last = row.group(4) == null ? at : new Moment(row.group(3) == null ? row.group(1) : row.group(3), row.group(4));
        }
    }

    private void compare(int line, Moment last, Moment at) {
        if (at.before(last)) {
            order(line, last, at);
        } else if (at.minutesAfter(last) > LONGEST_HOLE && !explained(last, at)) {
            add(
                    line,
                    "hole",
                    at.minutesAfter(last)
                            + " minutes without an entry before this one: add what happened (postmortem event), or"
                            + " explain it below the table (\"Gap " + last.clock + "-" + at.clock + ": why\")");
        }
    }

    private void order(int line, Moment last, Moment at) {
        add(line, "order", "the timeline is out of order: " + at.clock + " stands after " + last.clock);
    }

    private boolean explained(Moment from, Moment to) {
        return lines.stream()
                .map(EXPLAINED::matcher)
                .anyMatch(gap -> gap.find()
                        && gap.group(1).equals(from.clock)
                        && gap.group(2).equals(to.clock));
    }

    private void add(int line, String rule, String message) {
        places.add(new Place(line, rule, message));
    }

    /** A row's time; without a date, rows that fall back by more than half a day have passed midnight. */
    private record Moment(String date, String clock) {
        boolean before(Moment other) {
            return minutesAfter(other) < 0;
        }

        long minutesAfter(Moment other) {
            try {
                long minutes = Duration.between(LocalTime.parse(other.clock), LocalTime.parse(clock)).toMinutes();
                if (date != null && other.date != null) {
                    return minutes + 1440 * (LocalDate.parse(date).toEpochDay() - LocalDate.parse(other.date).toEpochDay());
                }
                return minutes < -720 ? minutes + 1440 : minutes;
            } catch (DateTimeException e) {
                return 0;
            }
        }
    }
}
