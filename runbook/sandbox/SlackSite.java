package runbook.sandbox;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import runbook.Text.Json;

/** A Slack incoming webhook (api.slack.com/messaging/webhooks): {@code ok} for a message, its own error words for anything else. */
final class SlackSite {
    private final List<String> posts = new CopyOnWriteArrayList<>();
    private final AtomicInteger failures = new AtomicInteger();

    Reply answer(Request request) {
        if (!request.method().equals("POST")) {
            return text(405, "method_not_allowed");
        }
        if (failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            return text(500, "rollup_error");
        }
        JsonNode message;
        try {
            message = Json.read(request.body());
        } catch (IOException e) {
            return text(400, "invalid_payload");
        }
        if (!message.isObject()) {
            return text(400, "invalid_payload");
        }
        if (message.path("text").asText().isBlank()
                && message.path("blocks").isEmpty()
                && message.path("attachments").isEmpty()) {
            return text(400, "no_text");
        }
        posts.add(message.path("text").asText());
        return text(200, "ok");
    }

    List<String> posts() {
        return List.copyOf(posts);
    }

    void fail(int times) {
        failures.set(times);
    }

    private static Reply text(int status, String word) {
        return Reply.text(status, "text/html", word);
    }
}
