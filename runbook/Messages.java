package runbook;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;

/** The runbook's two texts. Every value is one printable, bounded line without a private key. */
public final class Messages {
    private static final int LONGEST_VALUE = 400;
    private static final String WORKING_AGAIN =
            "Features powered by Klaviyo (email subscriptions, event tracking) are working normally again.";

    private Messages() { }

    /** The internal text, for people to read and paste. */
    public static String internal(Announcement announcement) {
        return internal(announcement, Template.bundled("slack.md"));
    }

    /** The same by a team's own template. */
    public static String internal(Announcement announcement, Template template) {
        return template.fill(internalValues(announcement, UnaryOperator.identity()));
    }

    /** The internal text for {@link Slack#post}: what stands in its values cannot become a link or a mention. */
    public static String forSlack(Announcement announcement) {
        return forSlack(announcement, Template.bundled("slack.md"));
    }

    /** The same by a team's own template, whose own mentions and links work. */
    public static String forSlack(Announcement announcement, Template template) {
        return template.fill(internalValues(announcement, Slack::escape));
    }

    /** The external text: it names no host, no account, no person and no cause, whatever the announcement holds. */
    public static String external(Announcement announcement) {
        return external(announcement, Template.bundled("status-page.md"));
    }

    /** The same by a team's own template. */
    public static String external(Announcement announcement, Template template) {
        return template.fill(externalValues(announcement));
    }

    private static Map<String, Object> internalValues(Announcement a, UnaryOperator<String> escape) {
        boolean over = a.state() == State.RESOLVED;
        boolean suspected = a.state() == State.INVESTIGATING && !a.words().rootCause().startsWith("Not yet known");
        Map<String, String> texts = new LinkedHashMap<>();
        texts.put("severity", a.severity().isBlank() ? "P?" : a.severity());
        texts.put("status", a.state().name());
        texts.put("impact", (over ? "over; it was: " : "") + a.words().impact());
        texts.put("rootCause", a.words().rootCause() + (suspected ? " (suspected)" : ""));
        texts.put("currentAction", over ? "None: it works again, the postmortem follows" : a.words().action());
        texts.put("eta", a.eta());
        texts.put("lead", a.lead().isBlank() ? "nobody yet" : "@" + a.lead());
        texts.put("next", next(a));
        texts.put("updated", Announcement.minute(a.at()));
        texts.put("drill", a.drill().orElse(""));
        Map<String, Object> values = new LinkedHashMap<>();
        texts.forEach((name, text) -> values.put(name, escape.apply(Text.safe(text, LONGEST_VALUE))));
        return values;
    }

    private static Map<String, Object> externalValues(Announcement a) {
        boolean over = a.state() == State.RESOLVED;
        boolean waiting = !a.words().queued().isEmpty();
        String queued = switch (a.state()) {
            case INVESTIGATING -> waiting ? "We are working to process what is delayed." : "";
            case MITIGATING -> a.words().queued();
            case RESOLVED -> "Data that was queued meanwhile is being processed.";
        };
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("headline", over ? "Resolved" : waiting ? "Degraded Performance" : "Operating Normally");
        values.put("status", a.state().name());
        values.put("customers", over ? WORKING_AGAIN : a.words().customers());
        values.put("queued", queued);
        values.put("dataLoss", a.dataLoss().sentence());
        values.put("outlook", over ? "We apologise for the disruption." : "We are monitoring the situation.");
        values.put("next", next(a));
        values.put("updated", Announcement.minute(a.at()));
        values.put("drill", a.drill().isPresent());
        return values;
    }

    private static String next(Announcement a) {
        return a.next().map(due -> "by " + Announcement.minute(due)).orElse("this is the last one, unless it comes back");
    }
}
