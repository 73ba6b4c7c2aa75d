package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import runbook.Text.Json;

/**
 * What a tool gave. It may hold a key, so it has no text of its own.
 *
 * @param out  standard output, unchanged
 * @param err  standard error, unchanged
 */
record Output(int exit, String out, String err) {
    /** Standard output as JSON; a missing node when it is none. */
    JsonNode json() {
        try {
            return Json.read(out);
        } catch (IOException | StackOverflowError e) {
            return MissingNode.getInstance();
        }
    }

    @Override
    public String toString() {
        return "exit code " + exit;
    }
}
