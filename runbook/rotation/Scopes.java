package runbook.rotation;

import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Klaviyo.Endpoint;
import runbook.Key;
import runbook.ApiChecks.Symptom;
import runbook.rotation.Step.Outcome;
import runbook.rotation.Trouble.Kind;

/** Whether the new key may do what the application needs. */
final class Scopes {
    private final Klaviyo klaviyo;
    private final Key fresh;
    private final Optional<Key> old;
    private final boolean oldAlive;

    Scopes(Klaviyo klaviyo, Key fresh, Optional<Key> old, boolean oldAlive) {
        this.klaviyo = klaviyo;
        this.fresh = fresh;
        this.old = old;
        this.oldAlive = oldAlive;
    }

    /**
     * Compares what the new key may do with what is needed: {@code asked}, or else what the old key may do.
     *
     * @throws Trouble that names the scopes that are missing
     */
    Done compare(Set<String> asked) throws Trouble {
        Optional<List<ApiKey>> listed =
                klaviyo.list(fresh).or(() -> oldAlive ? klaviyo.list(old.orElseThrow()) : Optional.empty());
        Set<String> needed = !asked.isEmpty() ? asked : listed.flatMap(keys -> old.flatMap(key -> ApiKey.matching(keys, key)))
                .map(ApiKey::scopes).orElseGet(this::shown);
        if (needed.isEmpty()) {
            return new Done(
                    Outcome.WARN,
                    "not compared: neither key may list keys (credentials:read); --needs events:write,… tests what the"
                            + " application needs");
        }
        Optional<Set<String>> has = listed.flatMap(keys -> ApiKey.matching(keys, fresh)).map(ApiKey::scopes);
        return has.isPresent() ? listed(needed, has.get()) : probed(needed);
    }

    private static Done listed(Set<String> needed, Set<String> has) throws Trouble {
        Set<String> missing = new TreeSet<>(needed);
        missing.removeAll(has);
        refuse(missing);
        Set<String> more = new TreeSet<>(has);
        more.removeAll(needed);
        return new Done(
                Outcome.OK,
                "all of " + String.join(", ", needed)
                        + (more.isEmpty() ? "" : "; and more than that: " + String.join(", ", more)));
    }

    private Done probed(Set<String> needed) throws Trouble {
        Set<String> missing = new TreeSet<>();
        Set<String> untold = new TreeSet<>();
        for (String scope : needed) {
            ScopeProbe probe = ScopeProbe.KNOWN.get(scope);
            Symptom symptom = probe == null ? Symptom.GARBLED : klaviyo.probe(fresh, probe);
            if (symptom == Symptom.FORBIDDEN) {
                missing.add(scope);
            } else if (symptom != Symptom.NONE && symptom != Symptom.INVALID) {
                untold.add(scope);
            }
        }
        refuse(missing);
        return untold.isEmpty()
                ? new Done(Outcome.OK, "probed: " + String.join(", ", needed))
                : new Done(
                        Outcome.WARN, "could not be probed: " + String.join(", ", untold) + difference(needed, untold));
    }

    private static String difference(Set<String> needed, Set<String> untold) {
        String fine = needed.stream().filter(scope -> !untold.contains(scope)).collect(Collectors.joining(", "));
        return fine.isEmpty() ? "" : "; fine: " + fine;
    }

    private static void refuse(Collection<String> missing) throws Trouble {
        if (!missing.isEmpty()) {
            throw new Trouble(Kind.UNFIT, "the new key lacks " + String.join(", ", missing),
                    "make another in Klaviyo, Settings > API keys: scopes cannot be added to a key that exists");
        }
    }

    // What the old key can be seen to read: the least that the new one has to read as well.
    private Set<String> shown() {
        return !oldAlive ? Set.of() : Stream.concat(Stream.of(Endpoint.ACCOUNTS), Endpoint.KNOWN.stream()).map(Endpoint::scope)
                .filter(scope -> klaviyo.probe(old.orElseThrow(), ScopeProbe.KNOWN.get(scope)) == Symptom.NONE)
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
