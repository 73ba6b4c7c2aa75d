package runbook.watching;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import runbook.Text.Json;

/** A round as {@code watch --json} prints it. */
final class RoundJson {
    private RoundJson() { }

    static ObjectNode of(
            Instant at, Optional<String> drill, long number, Watchkeeper keeper, Round round, List<Reading> readings) {
        ObjectNode json = Json.object()
                .put("schema", 1)
                .put("type", "round")
                .put("at", at.toString())
                .put("drill", drill.orElse(null))
                .put("round", number)
                .put("state", keeper.state().word())
                .put("good", round.good());
        ArrayNode checks = json.putArray("checks");
        readings.forEach(reading -> checks.addObject()
                .put("name", reading.check())
                .put("result", reading.result().name().toLowerCase(Locale.ROOT))
                .put("fresh", reading.fresh())
                .put("millis", reading.millis())
                .put("summary", reading.words()));
        ArrayNode conditions = json.putArray("conditions");
        keeper.conditions(round.at()).forEach(condition -> conditions
                .addObject()
                .put("name", condition.name())
                .put("met", condition.met())
                .put("words", condition.words()));
        return json;
    }
}
