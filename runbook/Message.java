package runbook;

import com.samskivert.mustache.Mustache;
import com.samskivert.mustache.MustacheException;
import java.net.*;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import runbook.Http.Answer;
import runbook.Incident.Event;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.Text.Nearest;

/**
 * What the runbook's two messages say, the internal one (Slack) and the external one (status page): what the diagnosis
 * implies and the journal says, but for what somebody knows better. Nothing is called done before the incident's state
 * has it that something was. Every value is one printable, bounded line without a key.
 */
public final class Message {
    private static final int LONGEST_VALUE = 400;

    private final State state;
    private final Instant at;
    private final Words words;
    private final String severity;
    private final String action;
    private final String lead;
    private final Instant next;
    private final Optional<String> drill;
    private final boolean working;
    private final boolean queueing;

    /**
     * What somebody knows better, each null where nobody does: the drill's scenario; who leads, with or without {@code
     * @}; what is being done right now, which the external text never says; when the next message is due; and whether
     * the last look was good, while nobody knows yet whether that will hold.
     */
    public record Known(Optional<String> drill, String lead, String action, Instant next, boolean working) { }

    private Message(State state, Instant at, Words words, String severity, List<Event> journal, Known known) {
        this.state = state;
        this.at = at;
        this.words = words;
        this.severity = severity;
        drill = known.drill;
        working = known.working && state != State.RESOLVED;
        String named = known.lead == null ? "" : known.lead.strip().replaceFirst("^@+", "");
        lead = named.isEmpty() ? Incident.lead(journal) : named;
        Instant due = known.next == null ? due(journal, at) : known.next;
        next = state == State.RESOLVED ? null : due;
        List<Event> mitigating = journal.stream().filter(Event::mitigating).toList();
        // Nobody outside is promised what nobody said to be so.
        queueing = mitigating.stream().anyMatch(event -> event.summary().matches("(?is).*\\b(fallback|queu).*"));
        Optional<Event> done = mitigating.stream().reduce((first, last) -> last);
        String begun = done.map(event -> "Done at " + Text.minute(event.at()) + ": " + event.summary())
                .orElse("Under way: " + words.action());
        String usual = state == State.MITIGATING ? begun : "To do: " + words.action();
        action = Optional.ofNullable(known.action).orElse(working ? "It works; watching until it has held" : usual);
    }

    /**
     * What a diagnosis implies, and a journal says: who leads, when the next message is due by how long it has lasted,
     * and, while it is being mitigated, what was done last. A resolved one announces no next message. The journal is
     * empty when it begins now. The severity is empty where a look found nothing wrong, or could not tell: an incident
     * that is on record is still the one that people are told of.
     */
    public static Message of(Templates templates, String diagnosis, String severity, State state, Instant at,
                             List<Event> journal, Known known) {
        Incident.State recorded = Incident.State.of(journal);
        Optional<Event> worst = state == State.RESOLVED ? Incident.worst(journal) : Optional.empty();
        if (worst.isPresent()) {
            // What is over is called what it was at its worst, as in the postmortem.
            Words words = Wording.of(templates, worst.get().data().path("diagnosis").asText()).words();
            return new Message(state, at, words, worst.get().severity(), journal, known);
        } else if (!severity.isBlank() || recorded.severity().isEmpty()) {
            return new Message(state, at, Wording.of(templates, diagnosis).words(), severity, journal, known);
        }
        Known looked = new Known(known.drill, known.lead, known.action, known.next,
                known.working || diagnosis.equals("healthy"));
        Words words = Wording.of(templates, recorded.diagnosis()).words();
        return new Message(state, at, words, recorded.severity(), journal, looked);
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

    /** Where the incident stands. */
    public State state() {
        return state;
    }

    /** When it says that the next one is due; empty for the last. */
    public Optional<Instant> next() {
        return Optional.ofNullable(next);
    }

    /** The internal text, for people to read and paste. */
    public String internal(Templates templates) {
        return internal(templates, UnaryOperator.identity());
    }

    /**
     * The internal text for {@link Slack#post}: what stands in its values cannot become a link or a mention; what the
     * template says can.
     */
    public String forSlack(Templates templates) {
        return internal(templates, text -> text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"));
    }

    private String internal(Templates templates, UnaryOperator<String> escape) {
        Map<String, String> texts = Map.of("severity", severity.isBlank() ? "P?" : severity, "impact", words.impact(),
                "rootCause", words.rootCause(), "currentAction", action, "lead", lead);
        return filled(templates.template("slack.md"), texts, escape);
    }

    /** The external text: it names no host, no account, no person and no cause, whatever the message holds. */
    public String external(Templates templates) {
        Map<String, String> texts = Map.of("customers", words.customers().orElse(""), "queued",
                words.queued().orElse(""), "component", component());
        return filled(templates.template("status-page.md"), texts, UnaryOperator.identity());
    }

    /**
     * How customers are affected, in the terms of status pages: an outage of P1 is never called degraded performance,
     * what nobody outside notices is no incident to them, and what only begins to work again is not called operational.
     */
    private String component() {
        if (working) {
            return "Monitoring";
        } else if (words.queued().orElse("").isEmpty()) {
            return "Operational";
        }
        return severity.equals("P1") ? "Major Outage" : words.component().orElse("Degraded Performance");
    }

    private String filled(Template template, Map<String, String> texts, UnaryOperator<String> escape) {
        Map<String, Object> values = new LinkedHashMap<>();
        texts.forEach((name, text) -> values.put(name, Text.safe(text, LONGEST_VALUE)));
        for (State each : State.values()) {
            values.put(each.word(), each == state);
        }
        values.put("status", state.name());
        values.put("suspected", state == State.INVESTIGATING && !words.rootCause().startsWith("Not yet known"));
        values.put("working", working);
        values.put("queueing", queueing);
        values.put("outage", component().equals("Major Outage"));
        values.put("drill", drill.orElse(""));
        values.put("next", next == null ? "" : Text.minute(next));
        values.put("updated", Text.minute(at));
        return template.fill(values, Object::toString, escape);
    }

    /** Where an incident stands, in the runbook's words: nothing was done yet; something was; it works again. */
    public enum State {
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

        /** {@code investigating}, {@code mitigating}, {@code resolved}. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * How one diagnosis is put into words before anybody knows more. For colleagues: what users experience, the cause
     * as triage sees it, and what usually helps. For customers, naming no cause, host, account or person: what they
     * notice (left out: what the row {@code unknown} has), and what happens to their data meanwhile, empty when nothing
     * does (left out: likewise); and, where it is not P1, the status page's term for how bad that is.
     */
    public record Words(String impact, String rootCause, String action, Optional<String> customers,
            Optional<String> queued, Optional<String> component) {
        private Words or(Words usual) {
            return new Words(impact, rootCause, action, customers.or(() -> usual.customers),
                    queued.or(() -> usual.queued), component);
        }
    }

    /**
     * All that {@code templates/diagnoses.json} says of one diagnosis: its title, why it is thought to be so and how
     * bad it is, what to do, words for the two messages, and what such an incident usually teaches, for the postmortem.
     * Templates may name what {@link Verdict} gives them.
     */
    public record Wording(String title, Template reason, List<Next> next, Words words, Lessons lessons) {
        private static final String FILE = "diagnoses.json";

        /**
         * One step: what and why; one of our scripts with options, to be started as this one was, or any other command;
         * and the name of a value without which the step is left out.
         */
        public record Next(Template text, Optional<Template> run, Optional<Template> command, Optional<String> when) { }

        /**
         * For the postmortem, where people judge it: a name for the title, what usually contributes, what usually
         * helps, what to mind when failed calls are repeated, which of them may be, and what is measured. Of the last
         * three, what is left out is what the row {@code unknown} has.
         */
        public record Lessons(String errorType, List<String> factors, List<Lesson> actions, List<String> replay,
                Optional<List<Repeat>> repeat, List<Measure> measures) {
            private Lessons or(Lessons usual) {
                return new Lessons(errorType, factors, actions, replay.isEmpty() ? usual.replay : replay,
                        repeat.or(() -> usual.repeat), measures.isEmpty() ? usual.measures : measures);
            }
        }

        /** A suggested action item; {@code type} is prevent, detect, mitigate or process. */
        public record Lesson(String type, String text) { }

        /** Whether calls of a kind may be repeated, those whose method and path the pattern finds. */
        public record Repeat(String name, Pattern calls, String rule) { }

        /**
         * The moments of an incident that count: the first sign of trouble in any record; the first alert, or failed
         * check of ours; somebody took it; the first thing was done against it; it worked again, for good; the first
         * message was sent; the vendor first wrote of it; somebody closed it.
         */
        public enum Moment {
            BEGAN, DETECTED, ACKNOWLEDGED, MITIGATED, RESTORED, TOLD, VENDOR, CLOSED;

            /** As templates and {@code --json} name it. */
            public String word() {
                return name().toLowerCase(Locale.ROOT);
            }
        }

        /**
         * How long it took from one of an incident's moments to another: what that is, the kind of event that tells the
         * second, and what is said when it took no longer than was wanted, and when it did.
         */
        public record Measure(String name, Moment from, Moment to, String definition, Optional<String> kind,
                Optional<Duration> within, Optional<Template> quick, Optional<Template> slow) { }

        /** The table, by the diagnosis's id as {@code triage --json} names it. */
        public static Map<String, Wording> all(Templates templates) {
            Map<String, Wording> all = templates.table(FILE, Wording.class);
            Set<String> ids = templates.own(FILE) ? all(Templates.builtIn()).keySet() : Set.of();
            ids.stream().filter(id -> !all.containsKey(id)).findFirst().ifPresent(id -> {
                throw new Problem(templates.origin(FILE) + ", " + id + ": the row is missing");
            });
            return all;
        }

        /** What the table has for a diagnosis; careful words for one that it lacks. */
        public static Wording of(Templates templates, String diagnosis) {
            Map<String, Wording> all = all(templates);
            Wording usual = all.get("unknown");
            Wording found = all.getOrDefault(diagnosis, usual);
            return new Wording(found.title, found.reason, found.next, found.words.or(usual.words),
                    found.lessons.or(usual.lessons));
        }
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
         * print, with the seconds to wait before trying again, when Slack said so.
         */
        public record Posted(boolean accepted, String why, OptionalLong retryAfter) { }

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
        public static Posted post(Http http, URI webhook, String text, Duration deadline) {
            byte[] body = Json.line(Json.object().put("text", text)).getBytes(StandardCharsets.UTF_8);
            Map<String, String> headers = Map.of("content-type", "application/json; charset=utf-8");
            Answer answer = http.once("POST", webhook, headers, body, deadline);
            if (!(answer instanceof Http.Reply reply)) {
                String kind = ((Http.Fault) answer).kind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
                return new Posted(false, "Slack was not reached: " + kind, OptionalLong.empty());
            }
            String said = Text.safe(reply.text().replace(webhook.getRawPath(), "[masked]"), 80);
            boolean accepted = reply.status() == 200 && said.equals("ok");
            // Slack's own word says whether the webhook, its channel or its workspace is gone.
            String mend = Set.of(403, 404, 410).contains(reply.status()) ? ": make a new webhook" : "";
            String why = "Slack refused it: HTTP " + reply.status() + " " + said + mend;
            return new Posted(accepted, accepted ? "" : why, reply.number("retry-after"));
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
            try {
                return compiled.execute(values);
            } catch (MustacheException e) {
                throw new Problem(origin + ": " + Text.safe(e.getMessage(), 200));
            }
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
            try {
                return Mustache.compiler().emptyStringIsFalse(true).withFormatter(form::apply)
                        .withEscaper(escape::apply).compile(text);
            } catch (MustacheException | UnsupportedOperationException e) {
                throw new Problem(origin + ": " + Text.safe(e.getMessage(), 200));
            }
        }

        // Before anything is filled in: a section that is skipped today must not hide a typing error until tomorrow.
        private void refuseUnknown(Set<String> known) {
            for (MatchResult tag : TAG.matcher(text).results().toList()) {
                String kind = tag.group(1);
                String wrong = "{{" + Text.safe(tag.group(2), 60) + "}}";
                String place = origin + " line " + text.substring(0, tag.start() + 1).lines().count() + ": ";
                if (kind.equals(">")) {
                    throw new Problem(place + "a template cannot include another");
                } else if (!kind.equals("!") && !known.contains(tag.group(2))) {
                    List<String> there = known.stream().map(name -> "{{" + name + "}}").toList();
                    throw new Problem(place + "there is no " + wrong + Nearest.hint(wrong, there));
                }
            }
        }
    }
}
