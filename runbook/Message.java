package runbook;

import com.samskivert.mustache.Mustache;
import com.samskivert.mustache.MustacheException;
import java.net.*;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Http.Answer;
import runbook.Incident.Event;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Text.Json;

/**
 * What the runbook's two messages say, the internal one (Slack) and the external one (status page): what the journal
 * says and its diagnosis implies, but for what somebody knows better. Nothing is called done before the journal has it
 * that something was.
 *
 * @param next   when it says that the next one is due; empty for the last
 * @param values what its templates can name, each one printable, bounded line without a key, or a boolean
 */
public record Message(Templates templates, State state, Optional<Instant> next, Map<String, Object> values) {
    private static final int LONGEST_VALUE = 400;
    private static final String UNKNOWN = "P?";
    /** What an external text cannot name, whatever a team writes into its template. */
    private static final Set<String> INTERNAL = Set.of("severity", "impact", "rootCause", "action", "doing",
            "done", "lead");

    /**
     * What somebody knows better, each null where nobody does: the drill's scenario; who leads, with or without {@code
     * @}; what is being done right now; when the next message is due; and whether the last look was good, while nobody
     * knows yet whether that will hold.
     */
    public record Known(Optional<String> drill, String lead, String action, Instant next, boolean working) { }

    /** Where an incident stands, in the runbook's words: nothing was done yet; something was; it works again. */
    public enum State implements Text.Named {
        INVESTIGATING, MITIGATING, RESOLVED;

        /** The state that a journal's events add up to: what happened last decides. */
        public static State of(List<Event> events) {
            State state = INVESTIGATING;
            for (Event event : events) {
                if (event.mitigating()) {
                    state = MITIGATING;
                } else if (event.event().matches(Event.RECOVERED + "|" + Event.CLOSED)) {
                    state = RESOLVED;
                } else if (event.failing() && state == RESOLVED) {
                    state = INVESTIGATING;
                }
            }
            return state;
        }
    }

    /** The message that a journal has to tell at a time. What is over is called what it was at its worst. */
    public static Message of(Templates templates, State state, Instant at, List<Event> journal, Known known) {
        Incident.State last = Incident.State.of(journal);
        Optional<Event> worst = state == State.RESOLVED ? Incident.worst(journal) : Optional.empty();
        String severity = worst.map(Event::severity).orElse(last.severity());
        Words words = Wording.of(templates, worst.map(event -> event.data().path("diagnosis").asText())
                .orElse(last.diagnosis())).words();
        Instant due = known.next == null ? due(journal, at) : known.next;
        Optional<Instant> next = Optional.of(due).filter(any -> state != State.RESOLVED);
        String named = known.lead == null ? "" : known.lead.strip().replaceFirst("^@+", "");
        List<Event> mitigating = journal.stream().filter(Event::mitigating).toList();
        boolean working = known.working && state != State.RESOLVED;
        boolean unnoticed = words.component.filter("Operational"::equals).isPresent();
        boolean outage = severity.equals("P1") && !unnoticed && !working;

        Map<String, Object> values = new LinkedHashMap<>();
        Stream.of(State.values()).forEach(each -> values.put(each.word(), each == state && !working));
        values.put("working", working);
        values.put("outage", outage);
        values.put("delayed", !outage && !working && state != State.RESOLVED);
        values.put("unnoticed", unnoticed);
        // Nobody outside is promised what nobody said to be so.
        values.put("queueing", mitigating.stream()
                .anyMatch(event -> event.summary().matches("(?is).*\\b(fallback|queu).*")));
        values.put("suspected", state == State.INVESTIGATING && !words.rootCause.startsWith("Not yet known"));
        values.put("severity", severity.isEmpty() ? UNKNOWN : severity);
        values.put("status", state.name());
        values.put("impact", words.impact);
        values.put("rootCause", words.rootCause);
        values.put("action", words.action);
        values.put("doing", Objects.toString(known.action, ""));
        values.put("done", mitigating.stream().reduce((first, later) -> later)
                .map(event -> Text.minute(event.at()) + ": " + event.summary()).orElse(""));
        values.put("lead", named.isEmpty() ? Incident.lead(journal) : named);
        values.put("customers", words.customers.orElse(""));
        values.put("component", words.component.orElse(""));
        values.put("drill", known.drill.orElse(""));
        values.put("next", next.map(Text::minute).orElse(""));
        values.put("updated", Text.minute(at));
        values.replaceAll((name, value) -> value instanceof String text ? Text.safe(text, LONGEST_VALUE) : value);
        return new Message(templates, state, next, values);
    }

    /**
     * When the message after the one at {@code told} is due, by how long the journal says that it had failed by then,
     * for every step alike. As PagerDuty's guide for incident communication has it: scope within five minutes, then
     * every twenty for two hours, hourly after that.
     */
    public static Instant due(List<Event> journal, Instant told) {
        Optional<Instant> failing = journal.stream().filter(Event::failing).map(Event::at).min(Instant::compareTo);
        long minutes = Duration.between(failing.orElse(told), told).toMinutes();
        long apart = minutes < 120 ? 20 : 60;
        return told.plus(Duration.ofMinutes(minutes < 5 ? 5 : apart));
    }

    /** The internal text, for people to read and paste. */
    public String internal() {
        return templates.template("slack.md").fill(values);
    }

    /** That colleagues were told, for the journal. */
    public Event posted(String drill) {
        return Event.now("triage", Event.ANNOUNCED, "internal message posted to Slack: " + state.word(),
                Map.of("audience", "internal", "state", state.word(), "text", internal(), "drill", drill));
    }

    /** The same for {@link Slack#post}: no value becomes a link or a mention; what the template says can. */
    public String forSlack() {
        return templates.template("slack.md").fill(values, Object::toString,
                text -> text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"));
    }

    /**
     * The external text: it names no host, account, person or cause, whatever the message holds. Empty where nobody
     * knows how bad it is: then there is nothing to tell customers.
     */
    public Optional<String> external() {
        if (values.get("severity").equals(UNKNOWN)) {
            return Optional.empty();
        }
        Map<String, Object> open = new LinkedHashMap<>(values);
        open.keySet().removeAll(INTERNAL);
        return Optional.of(templates.template("status-page.md").fill(open));
    }

    /**
     * How one diagnosis is put into words before anybody knows more. For colleagues: what users experience, the cause
     * as triage sees it, and what usually helps. For customers, naming no cause, host, account or person: what they
     * notice, unless the template has it; and, where it is not P1, the status page's term for how bad that is.
     */
    public record Words(String impact, String rootCause, String action, Optional<String> customers,
            Optional<String> component) { }

    /**
     * All that {@code templates/diagnoses.json} says of one diagnosis: its title, why it is thought to be so and how
     * bad it is, what to do, words for the two messages, and what such an incident usually teaches, for the postmortem.
     * Whether it is to be looked at now (left out), later or never is for scripts. Templates may name what {@link
     * Verdict} gives them.
     */
    public record Wording(String title, Template reason, List<Next> next, Optional<String> when, Words words,
            Lessons lessons) {
        private static final String FILE = "diagnoses.json";

        /** A team's rows over ours, by the diagnosis's id; of two that are equally bad, the one that is first leads. */
        public static Map<String, Wording> all(Templates templates) {
            Map<String, Wording> ours = Templates.BUILT_IN.table(FILE, Wording.class);
            if (!templates.own(FILE)) {
                return ours;
            }
            Map<String, Wording> all = new LinkedHashMap<>(ours);
            templates.table(FILE, Wording.class).forEach((id, own) -> Optional.ofNullable(all.replace(id, own))
                    .orElseThrow(() -> new Problem(templates.origin(FILE) + ", " + id + ": there is no such diagnosis"
                            + Text.hint(id, all.keySet()))));
            return all;
        }

        /** What the table has for a diagnosis; careful words for one that it lacks. */
        public static Wording of(Templates templates, String diagnosis) {
            Map<String, Wording> all = all(templates);
            return all.getOrDefault(diagnosis, all.get("unknown"));
        }

        /**
         * One step: what and why (left out where that comes out empty), and one of our scripts with options, to be
         * started as this one was, or any other command.
         */
        public record Next(Template text, Optional<Template> run, Optional<Template> command) { }

        /**
         * For the postmortem, where people judge it: a name for the title, what usually contributes, what usually
         * helps, what to mind when failed calls are repeated, which of them may be (left out: what the row {@code
         * unknown} has), and what is measured, which that row alone says.
         */
        public record Lessons(String errorType, List<String> factors, List<Lesson> actions, List<String> replay,
                Optional<List<Repeat>> repeat, List<Measure> measures) { }

        /** A suggested action item; {@code type} is prevent, detect, mitigate or process. */
        public record Lesson(String type, String text) { }

        /** Whether calls of a kind may be repeated, those whose method and path the pattern finds. */
        public record Repeat(String name, Pattern calls, String rule) { }

        /**
         * The moments of an incident that count: the first sign of trouble in any record; the first alert, or failed
         * check of ours; somebody took it; the first thing was done against it; it worked again, for good; the first
         * message was sent; the vendor first wrote of it; somebody closed it.
         */
        public enum Moment implements Text.Named {
            BEGAN, DETECTED, ACKNOWLEDGED, MITIGATED, RESTORED, TOLD, VENDOR, CLOSED
        }

        /**
         * How long it took from one of an incident's moments to another: what that is, the kind of event that tells the
         * second, and what is said when it took no longer than was wanted, and when it did.
         */
        public record Measure(String name, Moment from, Moment to, String definition, Optional<String> kind,
                Optional<Duration> within, Optional<Template> quick, Optional<Template> slow) { }
    }

    /**
     * Posting to a Slack incoming webhook. Its address is a secret: it comes from the environment variable alone, and
     * no message of ours shows any part of it. See
     * https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
     */
    public static final class Slack {
        /** The environment variable that holds the webhook's address. */
        public static final String VARIABLE = "SLACK_WEBHOOK_URL";

        /**
         * What became of a message: Slack said {@code ok}, or what came back and what to do, in words that are safe to
         * print, with the seconds to wait before trying again, when Slack asked for a few minutes.
         */
        public record Posted(boolean accepted, String why, OptionalLong retryAfter) {
            /** What comes of a message where no webhook is set. */
            public static final Posted NOWHERE = new Posted(false, "set " + VARIABLE, OptionalLong.empty());
        }

        private Slack() { }

        /** The webhook's address; a {@link Problem} does not repeat what is none: it is a secret. */
        public static Optional<URI> webhook(Map<String, String> environment) {
            try {
                return Optional.ofNullable(Settings.address(environment.getOrDefault(VARIABLE, "")));
            } catch (IllegalArgumentException withItsText) {
                throw new Problem(VARIABLE
                        + " is no address: copy it again from Slack (it starts with https://hooks.slack.com/)");
            }
        }

        /**
         * Posts {@link Message#forSlack} once; never throws for what the network or Slack does. Anything but {@code ok}
         * is no delivery: a proxy's login page is HTTP 200 too.
         */
        public static Posted post(Http http, URI webhook, String text) {
            byte[] body = Json.line(Map.of("text", text)).getBytes(StandardCharsets.UTF_8);
            Map<String, String> headers = Map.of("content-type", "application/json; charset=utf-8");
            Answer answer = http.once("POST", webhook, headers, body);
            if (answer instanceof Http.Fault fault) {
                String kind = fault.kind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
                return new Posted(false, "Slack was not reached: " + kind, OptionalLong.empty());
            }
            Http.Reply reply = (Http.Reply) answer;
            String said = Text.safe(reply.text().replace(webhook.getRawPath(), "[masked]"), 80);
            boolean accepted = reply.status() == 200 && said.equals("ok");
            // Slack's own word says whether the webhook, its channel or its workspace is gone.
            String mend = Set.of(403, 404, 410).contains(reply.status()) ? ": make a new webhook" : "";
            String why = "Slack refused it: HTTP " + reply.status() + " " + said + mend;
            return new Posted(accepted, accepted ? "" : why, reply.number("retry-after").stream()
                    .filter(seconds -> seconds <= Duration.ofMinutes(10).toSeconds()).findFirst());
        }
    }

    /**
     * A logic-less text (Mustache): <code>{{name}}</code>, and sections <code>{{#name}}…{{/name}}</code> and
     * <code>{{^name}}…{{/name}}</code>. A name that does not exist is a {@link Problem}, wherever in the template it
     * stands, named by the template's origin. Values go in as they are, unless whoever fills it escapes them.
     */
    public record Template(String origin, String text) {
        private static final Pattern TAG = Pattern.compile("\\{\\{\\{?([#^/&>!]?)\\s*([^{}]*?)\\s*}}");

        /** The text with its values put in: strings, and booleans for sections, to which an empty string is false. */
        public String fill(Map<String, Object> values) {
            return fill(values, Object::toString, UnaryOperator.identity());
        }

        /**
         * The same with values of any type: {@code form} makes texts of them, and {@code escape} fits these to where
         * they will be read, but for those in triple braces. In a record's section, and in that of each element of a
         * list, its components have names of their own; they have to be among the values too.
         */
        public String fill(Map<String, Object> values, Function<Object, String> form, UnaryOperator<String> escape) {
            var compiled = compiled(form, escape);
            refuseUnknown(new TreeSet<>(values.keySet()));
            return orProblem(() -> compiled.execute(values));
        }

        /** The same template, once it is sure that it can be parsed; a {@link Problem} when it cannot. */
        public Template parsed() {
            compiled(Object::toString, UnaryOperator.identity());
            return this;
        }

        private com.samskivert.mustache.Template compiled(Function<Object, String> form, UnaryOperator<String> escape) {
            if (TAG.matcher(text).replaceAll("").contains("{{")) {
                throw new Problem(origin + ": a {{ is never closed by }}");
            }
            return orProblem(() -> Mustache.compiler().emptyStringIsFalse(true).withFormatter(form::apply)
                    .withEscaper(escape::apply).compile(text));
        }

        private <T> T orProblem(Supplier<T> made) {
            try {
                return made.get();
            } catch (MustacheException | UnsupportedOperationException e) {
                throw new Problem(origin + ": " + Text.safe(e.getMessage(), 200));
            }
        }

        // Before anything is filled in: a section that is skipped today must not hide a typing error until tomorrow.
        private void refuseUnknown(Set<String> known) {
            Optional<MatchResult> unknown = TAG.matcher(text).results()
                    .filter(tag -> !tag.group(1).equals("!") && !known.contains(tag.group(2))).findFirst();
            unknown.ifPresent(tag -> {
                String wrong = "{{" + Text.safe(tag.group(2), 60) + "}}";
                List<String> there = known.stream().map(name -> "{{" + name + "}}").toList();
                throw new Problem(origin + " line " + text.substring(0, tag.start() + 1).lines().count() + ": "
                        + (tag.group(1).equals(">") ? "a template cannot include another"
                                : "there is no " + wrong + Text.hint(wrong, there)));
            });
        }
    }

    /**
     * A line as {@code stores.json} writes addresses and commands: {@code {part}} is where a value stands, and {@code
     * [… {part} …]} is left away where that has none.
     */
    public record Form(String text) {
        private static final Pattern PART = Pattern.compile("\\{([a-z]\\w*(?::\\w+)?)}");
        private static final Pattern OPTIONAL = Pattern.compile("( ?)\\[([^\\[\\]{}]*\\{\\w+}[^\\[\\]{}]*)]");
        /** Never starts with a dash: no tool can take it for an option. */
        private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.-]*");

        /** What was typed as one address, or as several with a comma between them, as a settings file may have it. */
        public static Stream<String> each(String typed) {
            return Stream.of(typed.split(typed.startsWith("exec:") ? "$" : "\\s*,\\s*(?=[a-z0-9-]+:\\S)"));
        }

        /** The names of its parts, in their order. */
        public List<String> parts() {
            return PART.matcher(text).results().map(part -> part.group(1)).toList();
        }

        /**
         * Its parts in what somebody typed, plain names or of the pattern of their name, in a map that may be added to;
         * empty when that has another form. A {@link PatternSyntaxException}: form and patterns do not fit together.
         */
        public Optional<Map<String, String>> read(String typed, Map<String, Pattern> patterns) {
            String whole = PART.matcher(text.replace("[", "(?:").replace("]", ")?")).replaceAll(part -> "(?<$1>"
                    + Matcher.quoteReplacement(patterns.getOrDefault(part.group(1), PLAIN) + ")"));
            Matcher matcher = Pattern.compile(whole, Pattern.DOTALL).matcher(typed);
            return !matcher.matches() ? Optional.empty() : Optional.of(parts().stream()
                    .filter(name -> matcher.group(name) != null)
                    .collect(Collectors.toMap(name -> name, matcher::group, (one, same) -> one, TreeMap::new)));
        }

        /** It with these values, each written in a way that suits where it stands; nothing for a part without one. */
        public String filled(Map<String, String> values, UnaryOperator<String> written) {
            String chosen = OPTIONAL.matcher(text).replaceAll(words ->
                    values.keySet().containsAll(new Form(words.group(2)).parts()) ? "$1$2" : "");
            return PART.matcher(chosen).replaceAll(part ->
                    Matcher.quoteReplacement(written.apply(values.getOrDefault(part.group(1), ""))));
        }
    }
}
