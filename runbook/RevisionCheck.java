package runbook;

import java.time.LocalDate;
import java.util.Map;
import java.util.Optional;
import runbook.Check.Outcome;

/**
 * Where the API revision is in its life, by date.
 *
 * @param check as one line
 * @param phase empty when the revision is no date
 */
public record RevisionCheck(Check check, Optional<Revision.Phase> phase) {
    static RevisionCheck of(String text, LocalDate today) {
        Optional<Revision> revision = Revision.of(text);
        if (revision.isEmpty()) {
            return new RevisionCheck(
                    new Check(
                            "revision",
                            Outcome.FAIL,
                            Text.safe(text, 30) + " is no revision: write YYYY-MM-DD",
                            0,
                            null,
                            Json.object()),
                    Optional.empty());
        }
        Revision known = revision.get();
        Revision.Phase phase = known.phase(today);
        String summary = known
                + switch (phase) {
                    case FUTURE -> " is in the future: Klaviyo refuses it";
                    case STABLE ->
                        " is supported; deprecated from " + known.deprecated() + ", retired on " + known.retires();
                    case DEPRECATED ->
                        " is deprecated since " + known.deprecated() + "; retired on " + known.retires() + ": move to "
                                + Revision.NEWEST;
                    case RETIRED -> " was retired on " + known.retires() + ": move to " + Revision.NEWEST;
                };
        Outcome outcome = switch (phase) {
            case STABLE -> Outcome.OK;
            case DEPRECATED -> Outcome.WARN;
            case FUTURE, RETIRED -> Outcome.FAIL;
        };
        return new RevisionCheck(
                new Check(
                        "revision",
                        outcome,
                        summary,
                        0,
                        null,
                        Json.of(Map.of(
                                "revision",
                                known,
                                "phase",
                                phase.name().toLowerCase(),
                                "deprecated",
                                known.deprecated(),
                                "retires",
                                known.retires()))),
                Optional.of(phase));
    }
}
