package runbook;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Posting to a Slack incoming webhook. Its address is a secret: it comes from the environment variable alone, and no
 * message of ours shows any part of it. See https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 */
public final class Slack {
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
        String text = environment.getOrDefault(VARIABLE, "").strip();
        if (text.isEmpty()) {
            return Optional.empty();
        }
        try {
            URI uri = URI.create(text);
            if (uri.getHost() != null && (uri.getScheme().equals("https") || uri.getScheme().equals("http"))) {
                return Optional.of(uri);
            }
        } catch (IllegalArgumentException e) {
            // Said below without the text, which is a secret.
        }
        throw new Problem(VARIABLE + " is no address: copy it again from Slack (it starts with https://hooks.slack.com/)");
    }

    /**
     * Posts once; never throws for what the network or Slack does.
     *
     * @param text in Slack's mrkdwn, from {@link Messages#forSlack}
     */
    public static Posted post(Http http, URI webhook, String text, Duration deadline) {
        byte[] body = Json.line(Json.of(Map.of("text", text))).getBytes(StandardCharsets.UTF_8);
        Answer answer = http.once("POST", webhook, Map.of("content-type", "application/json; charset=utf-8"), body, deadline);
        if (answer instanceof Answer.Reply reply) {
            return judge(reply, webhook);
        }
        String kind = ((Answer.Fault) answer).kind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
        return new Posted(false, "Slack was not reached: " + kind, OptionalLong.empty());
    }

    // Anything but "ok" is no delivery: a proxy's login page is HTTP 200 too.
    private static Posted judge(Answer.Reply reply, URI webhook) {
        String said = Text.safe(reply.text().replace(webhook.getRawPath(), "[masked]"), 80);
        if (reply.status() == 200 && said.equals("ok")) {
            return new Posted(true, "", OptionalLong.empty());
        }
        String advice = ADVICE.containsKey(said) ? ": " + ADVICE.get(said) : "";
        return new Posted(false, "Slack refused it: HTTP " + reply.status() + " " + said + advice, reply.number("retry-after"));
    }

    /** The text with the three characters escaped that Slack gives a meaning: no link, no mention can come of it. */
    public static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }
}
