package runbook.sandbox;

import java.util.Map;
import runbook.sandbox.Behaviour.WebhookCase;

/**
 * Our route for Klaviyo's deliveries. A live one takes signed POSTs only, and nobody in a drill holds the secret to sign
 * with: an unsigned POST is a 401, anything else a 405.
 */
final class WebhookSite {
    static final String PATH = "/webhooks/klaviyo";

    private final World world;

    WebhookSite(World world) {
        this.world = world;
    }

    Reply answer(Request request) {
        world.count("webhook " + request.method());
        if (world.behaviour().webhook() == WebhookCase.DOWN || !request.path().equals(PATH)) {
            return Reply.json(404, Map.of("error", "not found"));
        }
        if (!request.method().equals("POST")) {
            return Reply.json(405, Map.of("error", "method not allowed")).with("Allow", "POST");
        }
        return Reply.json(401, Map.of("error", "Klaviyo-Signature is missing or wrong"));
    }
}
