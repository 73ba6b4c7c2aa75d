package runbook;

import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import runbook.Answer.Fault;

/**
 * Everything one checkup found.
 *
 * @param at        when it began
 * @param settings  what it looked at
 * @param status    the vendor's status page
 * @param network   the path to the API
 * @param auth      the key
 * @param endpoints the endpoints, in the order asked
 * @param limits    rate limits
 * @param revision  the API revision
 * @param app       our application
 * @param errors    our application's errors
 * @param webhook   the route that Klaviyo delivers to
 */
public record Findings(
        Instant at,
        Settings settings,
        StatusPage status,
        Network network,
        Auth auth,
        List<EndpointProbe> endpoints,
        RateLimits limits,
        RevisionCheck revision,
        AppHealth app,
        AppErrors errors,
        Webhook webhook) {
    /** All checks in the order in which people read them. */
    public List<Check> checks() {
        List<Check> checks = new ArrayList<>(List.of(status.check(), network.check(), auth.check()));
        endpoints.forEach(probe -> checks.add(probe.check()));
        checks.addAll(List.of(limits.check(), revision.check(), app.check(), errors.check(), webhook.check()));
        return checks;
    }

    /** Requests that reached Klaviyo's API, and so count against the account's quota, by endpoint. */
    public Map<String, Integer> requests() {
        Map<String, Integer> requests = new LinkedHashMap<>();
        Stream.ofNullable(auth.answer()).filter(Findings::reached).forEach(answer -> requests.put("accounts", 1));
        endpoints.forEach(probe -> probe.samples().stream().filter(Findings::reached)
                .forEach(answer -> requests.merge(probe.endpoint().name(), 1, Integer::sum)));
        return requests;
    }

    private static boolean reached(Answer answer) {
        return !(answer instanceof Fault fault && fault.kind().unreached());
    }

    /** The sum of {@link #requests()}. */
    public int requestsSpent() {
        return requests().values().stream().mapToInt(Integer::intValue).sum();
    }

    /**
     * How often each symptom came from the API. Left out, for they say nothing of the service: a webhooks 403 (which
     * may be the plan), an accounts 403 (the key may do without), and a 429 of the two endpoints with one request a
     * second (which our own probes can bring about).
     */
    public Map<Symptom, Integer> symptoms() {
        Map<Symptom, Integer> counts = new EnumMap<>(Symptom.class);
        Stream<Symptom> own = auth.answer() == null || auth.symptom() == Symptom.FORBIDDEN || auth.symptom() == Symptom.THROTTLED
                ? Stream.of() : Stream.of(auth.symptom());
        Stream<Symptom> probed = endpoints.stream().flatMap(probe -> probe.symptoms().stream()
                .filter(symptom -> probe.endpoint().burst() > 1 || symptom != Symptom.FORBIDDEN && symptom != Symptom.THROTTLED));
        Stream.concat(own, probed).forEach(symptom -> counts.merge(symptom, 1, Integer::sum));
        return counts;
    }

    /** Endpoints of which at least one sample shows the symptom, accounts among them. */
    public List<String> showing(Symptom symptom) {
        List<String> names = new ArrayList<>();
        if (auth.answer() != null && auth.symptom() == symptom) {
            names.add("accounts");
        }
        endpoints.stream()
                .filter(probe -> probe.symptoms().contains(symptom))
                .forEach(probe -> names.add(probe.endpoint().name()));
        return names;
    }
}
