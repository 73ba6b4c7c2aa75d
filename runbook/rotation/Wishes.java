package runbook.rotation;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import runbook.Settings;

/**
 * What a rotation is asked to do.
 *
 * @param settings   where Klaviyo and our application are, and the responder's key, which counts as the old one where a
 *                   store cannot be read
 * @param stores     where the key is kept, in the order of writing
 * @param targets    what to restart, in order
 * @param account    the account that the new key has to belong to; empty for that of the old key
 * @param needs      scopes that the application needs; empty for those of the old key
 * @param restart    how long one restart may take
 * @param verify     how long the application may take to be well again
 * @param grace      how long the old key stays enabled after the application is well
 * @param disableOld whether to disable the old key at the end
 */
public record Wishes(
        Settings settings,
        List<SecretStore> stores,
        List<RestartTarget> targets,
        Optional<String> account,
        Set<String> needs,
        Duration restart,
        Duration verify,
        Duration grace,
        boolean disableOld) {}
