package runbook;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * How bad a diagnosis is, and why, by the runbook's definitions; when in doubt, the higher.
 *
 * @param severity null where no severity can be given: without a key, undecided, or healthy
 * @param reason   one sentence
 */
record Impact(Severity severity, String reason) {
    private static final Map<Diagnosis, Function<Findings, Impact>> RULES = new EnumMap<>(Diagnosis.class);

    private static void rule(Diagnosis diagnosis, Function<Findings, Impact> rule) {
        RULES.put(diagnosis, rule);
    }

    static {
        rule(
                Diagnosis.KLAVIYO_OUTAGE,
                found -> p1(
                        found.symptoms().isEmpty()
                                ? "the status page admits a major outage: " + page(found)
                                : rate(found) + " failed, and the status page says " + page(found)));
        rule(Diagnosis.SILENT_OUTAGE, found -> p1(rate(found) + " failed, and the status page shows nothing of it"));
        rule(Diagnosis.NETWORK, found -> p1("no answer of Klaviyo's reaches us: " + found.network().check().summary()));
        rule(
                Diagnosis.KEY_MALFORMED,
                found -> p1("every call with this key fails: "
                        + String.join("; ", found.auth().faults())));
        rule(
                Diagnosis.KEY_INVALID,
                found -> p1("every call with this key fails: "
                        + found.auth().error().map(Object::toString).orElse("HTTP 401")));
        rule(
                Diagnosis.STALE_APP_KEY,
                found -> p1("the application is refused with 401 while the key here works: it runs with another key"));
        rule(Diagnosis.REVISION_RETIRED, Impact::revision);
        rule(
                Diagnosis.CDN_BLOCKED,
                found -> share(found, Symptom.CDN_BLOCK) >= 1
                        ? p1("every request is stopped before it reaches Klaviyo")
                        : p2(percent(share(found, Symptom.CDN_BLOCK))
                                + " of our requests are stopped before they reach Klaviyo"));
        rule(Diagnosis.RATE_LIMITED, found -> p2("requests are refused with 429: " + found.limits().check().summary()));
        rule(
                Diagnosis.SERVER_ERROR,
                found -> p2(
                        Facts.failingShare(found) > 0
                                ? rate(found) + " failed with 5xx or without an answer"
                                : "the application gets 5xx that the probes do not see: "
                                        + found.errors().check().summary()));
        rule(
                Diagnosis.KLAVIYO_DEGRADED,
                found -> p2(
                        found.status().admitsTrouble()
                                ? "the status page says " + page(found)
                                        + (Facts.failingShare(found) > 0 ? ", and " + rate(found) + " failed" : "")
                                : "the API answers slowly"));
        rule(Diagnosis.SCOPE_MISSING, Impact::scope);
        rule(Diagnosis.PAYLOAD_INVALID, found -> p3(found.showing(Symptom.INVALID).isEmpty()
                ? "Klaviyo is fine, and refuses what the application sends: " + found.errors().check().summary()
                : "our own probes are refused with 400 on " + String.join(", ", found.showing(Symptom.INVALID))));
        rule(Diagnosis.PARTIAL, found -> p3("errors on " + failing(found) + " only"));
        rule(
                Diagnosis.APP_UNHEALTHY,
                found -> found.app().state() == AppHealth.State.DEGRADED
                        ? p2("its health endpoint says degraded: "
                                + found.app().check().summary())
                        : p1("its health endpoint fails: " + found.app().check().summary()));
        rule(
                Diagnosis.WEBHOOK_DOWN,
                found -> p3("deliveries are delayed or lost (Klaviyo retries for 24 h): "
                        + found.webhook().check().summary()));
        rule(
                Diagnosis.WEBHOOK_CERTIFICATE,
                found -> found.webhook().state() == Webhook.State.CERTIFICATE
                        ? p3("deliveries fail at the handshake: "
                                + found.webhook().check().summary())
                        : p4("no delivery fails yet: " + found.webhook().check().summary()));
        rule(
                Diagnosis.REVISION_DEPRECATED,
                found -> p4("a deprecation warning: " + found.revision().check().summary()));
        rule(Diagnosis.MONITORING_GAP, found -> p4("we see less than we should: " + gap(found)));
        rule(
                Diagnosis.KEY_MISSING,
                found -> new Impact(
                        null,
                        "a key missing here is no outage; set KLAVIYO_PRIVATE_KEY, or give --key-file or"
                                + " --key-command"));
        rule(Diagnosis.INDETERMINATE, found -> new Impact(null, "no probe came to an end that says anything"));
        rule(Diagnosis.HEALTHY, found -> new Impact(null, "every check that was made is fine"));
    }

    static Impact of(Diagnosis diagnosis, Findings findings) {
        return RULES.get(diagnosis).apply(findings);
    }

    private static Impact p1(String reason) {
        return new Impact(Severity.P1, reason);
    }

    private static Impact p2(String reason) {
        return new Impact(Severity.P2, reason);
    }

    private static Impact p3(String reason) {
        return new Impact(Severity.P3, reason);
    }

    private static Impact p4(String reason) {
        return new Impact(Severity.P4, reason);
    }

    // One endpoint that the revision lacks is minor; where more are refused, the revision itself is what is wrong.
    private static Impact revision(Findings findings) {
        String life = findings.revision().check().summary();
        if (findings.errors().sees("410") || findings.showing(Symptom.REVISION).size() > 1
                || Facts.revisionRefused(findings) && findings.showing(Symptom.REVISION).isEmpty()) {
            return p1("requests with this revision are refused: " + life);
        }
        return p3(
                findings.showing(Symptom.REVISION).isEmpty()
                        ? "still answered, and may stop at any moment: " + life
                        : "refused on " + String.join(", ", findings.showing(Symptom.REVISION))
                                + " only, which this revision may not have: " + life);
    }

    private static Impact scope(Findings findings) {
        List<String> refused = findings.showing(Symptom.FORBIDDEN).stream()
                .filter(name -> !name.equals("accounts") && !name.equals("webhooks"))
                .toList();
        if (refused.isEmpty()) {
            return p3("the application is refused with 403 on something that the probes do not ask");
        }
        String reason = "403 on " + String.join(", ", refused);
        return share(findings, Symptom.FORBIDDEN) >= 1
                ? p1("every call fails: " + reason)
                : refused.size() > 1 ? p2(reason) : p3(reason + " only");
    }

    private static double share(Findings findings, Symptom symptom) {
        int all = findings.symptoms().values().stream().mapToInt(Integer::intValue).sum();
        return all == 0 ? 0 : (double) findings.symptoms().getOrDefault(symptom, 0) / all;
    }

    private static String rate(Findings findings) {
        int all = findings.symptoms().values().stream().mapToInt(Integer::intValue).sum();
        long failed = Math.round(Facts.failingShare(findings) * all);
        return failed + " of " + all + " requests (" + percent(Facts.failingShare(findings)) + ")";
    }

    private static String percent(double share) {
        return Math.round(share * 100) + " %";
    }

    private static String failing(Findings findings) {
        return findings.endpoints().stream()
                .filter(probe -> probe.symptoms().stream().anyMatch(symptom -> symptom != Symptom.NONE))
                .map(probe -> probe.endpoint().name())
                .collect(Collectors.joining(", "));
    }

    private static String page(Findings findings) {
        return findings.status().incidents().stream()
                .findFirst()
                .map(incident -> "\"" + incident.name() + "\" (" + incident.status() + ")")
                .orElseGet(() -> findings.status().components().isEmpty()
                        ? findings.status().overall()
                        : findings.status().components().entrySet().stream()
                                .map(entry ->
                                        entry.getKey() + ": " + entry.getValue().replace('_', ' '))
                                .collect(Collectors.joining(", ")));
    }

    private static String gap(Findings findings) {
        return Facts.pageAnswers(findings) ? findings.errors().check().summary() : findings.status().check().summary();
    }
}
