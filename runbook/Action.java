package runbook;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * One thing to do.
 *
 * @param text    what and why, one sentence
 * @param command ready to paste, or null
 */
public record Action(String text, String command) {
    JsonNode json() {
        return Json.object().put("text", text).put("command", command);
    }
}
