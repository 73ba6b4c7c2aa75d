package runbook.watching;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import runbook.Settings;
import runbook.Incident;

/**
 * What to watch, and until when.
 *
 * @param settings where to look
 * @param checks   which checks, by triage's names
 * @param goal     what counts as recovered
 * @param interval between rounds
 * @param max      when to give up
 * @param speed    how many times as fast as real time a drill is; 1 in earnest
 * @param backlog  the query for the retry queue
 * @param incident the incident that is open
 * @param base     where a new one is made
 */
public record Plan(
        Settings settings,
        Set<String> checks,
        Goal goal,
        Duration interval,
        Duration max,
        double speed,
        Optional<String> backlog,
        Optional<Incident> incident,
        Path base) {}
