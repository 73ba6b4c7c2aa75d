package runbook;

import com.samskivert.mustache.Mustache;
import com.samskivert.mustache.MustacheException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.Text.Nearest;
import runbook.Http.Answer;
import runbook.Incident.Event;

/**
 * What the runbook's two messages say, the internal one (Slack) and the external one (status page). {@link #of} knows
 * what the diagnosis implies; the {@code with…} methods replace what somebody knows better. Nothing is called done
 * before the incident's state has it that something was. Every value is one printable, bounded line without a key.
 *
 * @param severity {@code P1} to {@code P4}, or empty when not known
 * @param state    where the incident stands
 * @param at       when the message is written
 * @param words    impact, cause, action, and what customers notice
 * @param lead     the incident lead's name, empty when nobody has it
 * @param eta      when it should be over; {@code unknown} unless somebody knows
 * @param next     when the next message comes; empty for the last one
 * @param dataLoss what is known about lost data
 * @param drill    the drill's scenario, empty in earnest
 */
public record Message(String severity, State state, Instant at, Words words, String lead, String eta,
                      Optional<Instant> next, DataLoss dataLoss, Optional<String> drill) {
    private static final int LONGEST_VALUE = 400;
    private static final String WORKING_AGAIN =
            "Features powered by Klaviyo (email subscriptions, event tracking) are working normally again.";

    /**
     * What a diagnosis implies, and a journal says: who leads, when the next message is due by how long it has lasted,
     * and, while it is being mitigated, what was done last. Nobody leads otherwise, and the end is unknown. A resolved
     * one announces no next message.
     *
     * @param diagnosis as {@code triage --json} names it
     * @param journal   the incident's events so far; empty when it begins now
     */
    public static Message of(Templates templates, String diagnosis, String severity, State state, Instant at,
                             List<Event> journal) {
        Words words = Wording.of(templates, diagnosis).words();
        Instant began = journal.stream().map(Event::at).min(Instant::compareTo).orElse(at);
        boolean over = state == State.RESOLVED;
        Message message = new Message(severity, state, at, words, Incident.lead(journal), over ? "resolved" : "unknown",
                over ? Optional.empty() : Optional.of(due(began, at)),
                state == State.MITIGATING ? DataLoss.NOT_EXPECTED : DataLoss.CHECKING, Optional.empty());
        if (state != State.MITIGATING) {
            return message.withAction("To do: " + words.action());
        }
        return message.withAction(journal.stream().filter(Event::mitigating).reduce((one, later) -> later)
                .map(done -> "Done at " + minute(done.at()) + ": " + done.summary())
                .orElse("Under way: " + words.action()));
    }

    /**
     * When the message after the one at {@code now} is due, in an incident that began at {@code began}. As PagerDuty's
     * guide for incident communication has it: scope within five minutes, then every twenty for two hours, hourly after
     * that.
     */
    public static Instant due(Instant began, Instant now) {
        long minutes = Duration.between(began, now).toMinutes();
        return now.plus(Duration.ofMinutes(minutes < 5 ? 5 : minutes < 120 ? 20 : 60));
    }

    private static String minute(Instant at) {
        return at.truncatedTo(ChronoUnit.MINUTES).toString().replace(":00Z", "Z");
    }

    // ---- what somebody knows better

    /** With an incident lead; a leading {@code @} is dropped, and nobody's name leaves whoever it is. */
    public Message withLead(String name) {
        String bare = name == null ? "" : name.strip().replaceFirst("^@+", "");
        return new Message(severity, state, at, words, bare.isEmpty() ? lead : bare, eta, next, dataLoss, drill);
    }

    /** With the time that somebody knows it to be over by. */
    public Message withEta(String known) {
        return new Message(severity, state, at, words, lead, known, next, dataLoss, drill);
    }

    /** With the time of the next message. */
    public Message withNext(Instant due) {
        return new Message(severity, state, at, words, lead, eta, Optional.of(due), dataLoss, drill);
    }

    /** With what is known about lost data. */
    public Message withDataLoss(DataLoss known) {
        return new Message(severity, state, at, words, lead, eta, next, known, drill);
    }

    /** In a drill. */
    public Message withDrill(Optional<String> scenario) {
        return new Message(severity, state, at, words, lead, eta, next, dataLoss, scenario);
    }

    /** With the impact in somebody's own words; the external text keeps to the table. */
    public Message withImpact(String impact) {
        return with(new Words(impact, words.rootCause(), words.action(), words.customers(), words.queued()));
    }

    /** With the cause in somebody's own words; the external text never names one. */
    public Message withRootCause(String cause) {
        return with(new Words(words.impact(), cause, words.action(), words.customers(), words.queued()));
    }

    /** With what is being done right now; the external text never says. */
    public Message withAction(String action) {
        return with(new Words(words.impact(), words.rootCause(), action, words.customers(), words.queued()));
    }

    private Message with(Words other) {
        return new Message(severity, state, at, other, lead, eta, next, dataLoss, drill);
    }

    // ---- the texts

    /** The internal text, for people to read and paste. */
    public String internal(Templates templates) {
        return internal(templates.template("slack.md"));
    }

    /** The same by one template. */
    public String internal(Template template) {
        return template.fill(internalValues(UnaryOperator.identity()));
    }

    /**
     * The internal text for {@link Slack#post}: what stands in its values cannot become a link or a mention; what the
     * template says can.
     */
    public String forSlack(Templates templates) {
        return forSlack(templates.template("slack.md"));
    }

    /** The same by one template. */
    public String forSlack(Template template) {
        return template.fill(internalValues(Slack::escape));
    }

    /** The external text: it names no host, no account, no person and no cause, whatever the message holds. */
    public String external(Templates templates) {
        return external(templates.template("status-page.md"));
    }

    /** The same by one template. */
    public String external(Template template) {
        return template.fill(externalValues());
    }

    private Map<String, Object> internalValues(UnaryOperator<String> escape) {
        boolean over = state == State.RESOLVED;
        boolean suspected = state == State.INVESTIGATING && !words.rootCause().startsWith("Not yet known");
        Map<String, String> texts = new LinkedHashMap<>();
        texts.put("severity", severity.isBlank() ? "P?" : severity);
        texts.put("status", state.name());
        texts.put("impact", (over ? "over; it was: " : "") + words.impact());
        texts.put("rootCause", words.rootCause() + (suspected ? " (suspected)" : ""));
        texts.put("currentAction", over ? "None: it works again, the postmortem follows" : words.action());
        texts.put("eta", eta);
        texts.put("lead", lead.isBlank() ? "nobody yet" : "@" + lead);
        texts.put("next", nextInWords());
        texts.put("updated", minute(at));
        texts.put("drill", drill.orElse(""));
        Map<String, Object> values = new LinkedHashMap<>();
        texts.forEach((name, text) -> values.put(name, escape.apply(Text.safe(text, LONGEST_VALUE))));
        return values;
    }

    private Map<String, Object> externalValues() {
        boolean over = state == State.RESOLVED;
        boolean waiting = !words.queued().isEmpty();
        String queued = switch (state) {
            case INVESTIGATING -> waiting ? "We are working to process what is delayed." : "";
            case MITIGATING -> words.queued();
            case RESOLVED -> "Data that was queued meanwhile is being processed.";
        };
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("headline", over ? "Resolved" : waiting ? "Degraded Performance" : "Operating Normally");
        values.put("status", state.name());
        values.put("customers", over ? WORKING_AGAIN : words.customers());
        values.put("queued", queued);
        values.put("dataLoss", dataLoss.sentence);
        values.put("outlook", over ? "We apologise for the disruption." : "We are monitoring the situation.");
        // Whoever promises to say something more is not saying the last thing.
        boolean promised = over && dataLoss == DataLoss.CHECKING;
        values.put("next", promised ? "when we have checked that no data was lost" : nextInWords());
        values.put("updated", minute(at));
        values.put("drill", drill.isPresent());
        return values;
    }

    private String nextInWords() {
        return next.map(due -> "by " + minute(due)).orElse("this is the last one, unless it comes back");
    }

    /** Where an incident stands, in the runbook's words. */
    public enum State {
        /** Something is wrong and nothing has helped yet. */
        INVESTIGATING,
        /** Something was done against it; it is not over. */
        MITIGATING,
        /** It works again. */
        RESOLVED;

        /** The state that a journal's events add up to: what happened last decides. */
        public static State of(List<Event> events) {
            State state = INVESTIGATING;
            for (Event event : events) {
                state = switch (event.event()) {
                    case Event.MITIGATED, Event.ROTATED -> MITIGATING;
                    case Event.DETECTED, Event.DIAGNOSED, Event.DEGRADED ->
                            state == RESOLVED && event.failing() ? INVESTIGATING : state;
                    case Event.RECOVERED, Event.CLOSED -> RESOLVED;
                    default -> state;
                };
            }
            return state;
        }

        /** {@code investigating}, {@code mitigating}, {@code resolved}. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * What is known about lost data. A choice and no free text, so that the external message cannot name what it must
     * not.
     */
    public enum DataLoss {
        /** While it lasts, once something was done against it. */
        NOT_EXPECTED("No data loss is expected."),
        /** Nobody has looked, or counted, yet. */
        CHECKING("We are checking that no data was lost and will say so here."),
        /** Counted: nothing is missing. */
        NONE("No data was lost."),
        /** Counted: something is missing. */
        SOME("Some data was lost. We will contact the customers concerned.");

        private final String sentence;

        DataLoss(String sentence) {
            this.sentence = sentence;
        }
    }

    /**
     * How one diagnosis is put into words before anybody knows more. The first three are for colleagues; the last two
     * are for customers, and therefore name no cause, host, account or person.
     *
     * @param impact    what users experience
     * @param rootCause the cause as triage sees it
     * @param action    what usually helps, as something to do
     * @param customers what customers notice
     * @param queued    what happens to their data meanwhile; empty when nothing does
     */
    public record Words(String impact, String rootCause, String action, String customers, String queued) { }

    /**
     * All that {@code templates/diagnoses.json} says of one diagnosis. Templates may name what {@link Verdict} gives
     * them.
     *
     * @param title   one line
     * @param reason  why it is thought to be so, and how bad it is
     * @param next    what to do, in order
     * @param words   for the two messages
     * @param lessons what such an incident usually teaches: for the postmortem
     */
    public record Wording(String title, Template reason, List<Next> next, Words words, Lessons lessons) {
        private static final String UNKNOWN = "unknown";

        /**
         * One step.
         *
         * @param text    what and why
         * @param run     one of our scripts and its options, to be started as this one was
         * @param command any other command, ready to paste
         * @param when    the name of a value without which the step is left out
         */
        public record Next(Template text, Optional<Template> run, Optional<Template> command, Optional<String> when) { }

        /** Suggestions for people to judge: a name for the title, what usually contributes, and what usually helps. */
        public record Lessons(String errorType, List<String> factors, List<Lesson> actions) { }

        /** A suggested action item; {@code type} is prevent, detect, mitigate or process. */
        public record Lesson(String type, String text) { }

        /**
         * The table, by the diagnosis's id as {@code triage --json} names it.
         *
         * @throws Problem that names file, id and field
         */
        public static Map<String, Wording> all(Templates templates) {
            return templates.table("diagnoses.json", Wording.class);
        }

        /** What the table has for a diagnosis; careful words for one that it lacks. */
        public static Wording of(Templates templates, String diagnosis) {
            Map<String, Wording> all = all(templates);
            Wording found = all.getOrDefault(diagnosis, all.get(UNKNOWN));
            if (found == null) {
                throw new Problem(templates.origin("diagnoses.json") + " has no row " + UNKNOWN);
            }
            return found;
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

        private static final Map<String, String> ADVICE = Map.of(
                "invalid_token", "the webhook was revoked: make a new one",
                "no_service", "the webhook was removed: make a new one",
                "no_team", "the workspace is gone: make a new webhook",
                "channel_is_archived", "its channel is archived",
                "channel_not_found", "its channel is gone",
                "action_prohibited", "an administrator restricts posting to it",
                "invalid_payload", "it did not understand the message");

        /**
         * What became of a message.
         *
         * @param accepted   Slack said {@code ok}
         * @param why        when not: what came back and what to do, in words that are safe to print
         * @param retryAfter seconds to wait before trying again, when Slack said so
         */
        public record Posted(boolean accepted, String why, OptionalLong retryAfter) { }

        private Slack() { }

        /**
         * The webhook's address.
         *
         * @throws Problem when the variable is set to something that is no http(s) address
         */
        public static Optional<URI> webhook(Map<String, String> environment) {
            try {
                return Optional.ofNullable(Settings.address(VARIABLE, environment.get(VARIABLE)));
            } catch (Problem withItsText) {
                // Said without the text, which is a secret.
                throw new Problem(VARIABLE
                        + " is no address: copy it again from Slack (it starts with https://hooks.slack.com/)");
            }
        }

        /**
         * Posts once; never throws for what the network or Slack does. Anything but {@code ok} is no delivery: a
         * proxy's login page is HTTP 200 too.
         *
         * @param text in Slack's mrkdwn, from {@link Message#forSlack}
         */
        public static Posted post(Http http, URI webhook, String text, Duration deadline) {
            byte[] body = Json.line(Json.object().put("text", text)).getBytes(StandardCharsets.UTF_8);
            Map<String, String> headers = Map.of("content-type", "application/json; charset=utf-8");
            Answer answer = http.once("POST", webhook, headers, body, deadline);
            if (answer instanceof Http.Fault fault) {
                String kind = fault.kind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
                return new Posted(false, "Slack was not reached: " + kind, OptionalLong.empty());
            }
            Http.Reply reply = (Http.Reply) answer;
            String said = Text.safe(reply.text().replace(webhook.getRawPath(), "[masked]"), 80);
            if (reply.status() == 200 && said.equals("ok")) {
                return new Posted(true, "", OptionalLong.empty());
            }
            String advice = ADVICE.containsKey(said) ? ": " + ADVICE.get(said) : "";
            String why = "Slack refused it: HTTP " + reply.status() + " " + said + advice;
            return new Posted(false, why, reply.number("retry-after"));
        }

        /**
         * The text with the three characters escaped that Slack gives a meaning: no link, no mention can come of it.
         */
        public static String escape(String text) {
            return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
        }
    }

    /**
     * A logic-less text (Mustache): <code>{{name}}</code>, and sections <code>{{#name}}…{{/name}}</code> and
     * <code>{{^name}}…{{/name}}</code>. A name that does not exist is a {@link Problem}, wherever in the template it
     * stands. Values go in as they are: whoever fills it escapes them for where the text will be read.
     *
     * @param origin where it came from, for messages
     */
    public record Template(String origin, String text) {
        /**
         * A team's own template.
         *
         * @param option the option that named it, for the error
         * @throws Problem when it cannot be read, or is larger than 1 MiB
         */
        public static Template file(String option, Path file) {
            return new Template(file.toString(), Templates.read(option + " ", file));
        }

        /**
         * The text with its values put in.
         *
         * @param values strings, and booleans for sections; an empty string is false to a section
         * @throws Problem with the line and the nearest name, when the template is malformed or uses an unknown name
         */
        public String fill(Map<String, Object> values) {
            var compiled = compiled();
            refuseUnknown(compiled, new TreeSet<>(values.keySet()));
            try {
                return compiled.execute(values);
            } catch (MustacheException e) {
                throw new Problem(origin + ": " + Text.safe(e.getMessage(), 200));
            }
        }

        /** The same template, once it is sure that it can be parsed; a {@link Problem} when it cannot. */
        public Template parsed() {
            compiled();
            return this;
        }

        private com.samskivert.mustache.Template compiled() {
            try {
                return Mustache.compiler().escapeHTML(false).emptyStringIsFalse(true).compile(text);
            } catch (MustacheException | UnsupportedOperationException e) {
                throw new Problem(origin + ": " + Text.safe(e.getMessage(), 200));
            }
        }

        // Before anything is filled in: a section that is skipped today must not hide a typing error until tomorrow.
        private void refuseUnknown(com.samskivert.mustache.Template compiled, Set<String> known) {
            compiled.visit(new Mustache.Visitor() {
                @Override
                public void visitText(String ignored) { }

                @Override
                public void visitVariable(String name) {
                    if (!known.contains(name)) {
                        String instead = Nearest.to(name, known).map(near -> ", did you mean {{" + near + "}}?")
                                .orElseGet(() -> "; there are " + String.join(", ", known));
                        throw new Problem(origin + " line " + lineOf(name) + ": there is no {{" + Text.safe(name, 60)
                                + "}}" + instead);
                    }
                }

                @Override
                public boolean visitInclude(String name) {
                    throw new Problem(origin + ": {{>" + name + "}}: a template cannot include another");
                }

                @Override
                public boolean visitSection(String name) {
                    visitVariable(name);
                    return true;
                }

                @Override
                public boolean visitInvertedSection(String name) {
                    return visitSection(name);
                }
            });
        }

        private long lineOf(String name) {
            var tag = Pattern.compile("\\{\\{\\{?[#^/&>]?\\s*" + Pattern.quote(name) + "\\s*}}").matcher(text);
            return 1 + (tag.find() ? text.substring(0, tag.start()).chars().filter(c -> c == '\n').count() : 0);
        }
    }
}
