package runbook.watching;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * All that a live view shows at one moment.
 *
 * @param drill     the drill's scenario
 * @param now       the time of day
 * @param state     where things stand
 * @param lasting   for how long
 * @param incident  since the incident began; empty when there is none
 * @param readings  the checks, in the order in which people read them
 * @param history   what each came to so far
 * @param waits     how long a check still has to wait for its quota
 * @param conditions what recovery asks for
 * @param update    the status page's newest update
 * @param requests  sent to Klaviyo's API so far
 * @param next      until the next round; empty while one is under way
 * @param message   until people have to be told again; negative when that is overdue, empty when it is over
 * @param untold    messages that Slack has not accepted yet
 * @param notes     what else there is to say, newest last
 */
public record Snapshot(
        Optional<String> drill,
        Instant now,
        State state,
        Duration lasting,
        Optional<Duration> incident,
        List<Reading> readings,
        History history,
        Map<String, Duration> waits,
        List<Condition> conditions,
        Optional<Update> update,
        long requests,
        Optional<Duration> next,
        Optional<Duration> message,
        int untold,
        List<String> notes) {}
