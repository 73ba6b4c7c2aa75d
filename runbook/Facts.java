package runbook;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import runbook.Answer.Fault;

/** The answers to the decision tree's questions. */
final class Facts {
    /** From this share of failing requests on, it is an outage and not a degradation. */
    private static final double NEARLY_ALL = 0.8;

    private record Code(String answer, Set<Symptom> symptoms) { }

    private static final List<Code> CODES = List.of(
            new Code("401", Set.of(Symptom.UNAUTHORIZED)),
            new Code("403", Set.of(Symptom.FORBIDDEN)),
            new Code("403 from the CDN", Set.of(Symptom.CDN_BLOCK)),
            new Code("429", Set.of(Symptom.THROTTLED)),
            new Code("400", Set.of(Symptom.INVALID)),
            new Code("revision refused", Set.of(Symptom.REVISION)),
            new Code("other 4xx", Set.of(Symptom.OTHER_CLIENT_ERROR)),
            new Code("5xx or no answer", Set.of(Symptom.SERVER_ERROR, Symptom.NO_ANSWER, Symptom.UNREACHED)),
            new Code("not Klaviyo's answer", Set.of(Symptom.TLS, Symptom.GARBLED, Symptom.NO_ROUTE)));

    private Facts() { }

    static Set<String> apiReturnsErrors(Findings findings) {
        Map<Symptom, Integer> symptoms = findings.symptoms();
        if (symptoms.isEmpty()) {
            return Set.of(findings.settings().key().isEmpty() ? "not asked: no key" : "could not tell");
        }
        return Set.of(symptoms.keySet().equals(Set.of(Symptom.NONE)) ? "no" : "yes");
    }

    static Set<String> statusCodes(Findings findings) {
        Set<String> answers = new LinkedHashSet<>();
        CODES.stream()
                .filter(code -> code.symptoms.stream().anyMatch(findings.symptoms()::containsKey))
                .forEach(code -> answers.add(code.answer));
        return answers;
    }

    static boolean keyIsFit(Findings findings) {
        return findings.auth().faults().isEmpty();
    }

    /** Whether any server outside our own network answered, or at least let us connect. */
    static boolean somethingIsReached(Findings findings) {
        boolean api = Stream.concat(
                        Stream.ofNullable(findings.auth().answer()),
                        findings.endpoints().stream().flatMap(probe -> probe.samples().stream()))
                .anyMatch(Facts::reached);
        boolean connected = findings.network().path().connectMillis() >= 0 && findings.network().path().proxy().isEmpty();
        return api
                || connected
                || findings.status().source() != StatusPage.Source.NONE
                || findings.status().check().http() != null;
    }

    private static boolean reached(Answer answer) {
        return !(answer instanceof Fault fault) || !fault.kind().unreached() && fault.kind() != Answer.Kind.TIMEOUT;
    }

    static boolean pageAdmitsTrouble(Findings findings) {
        return findings.status().admitsTrouble();
    }

    static boolean pageAdmitsMajorOutage(Findings findings) {
        return findings.status().admitsMajorOutage();
    }

    static boolean degraded(Findings findings) {
        return findings.status().admitsTrouble()
                || findings.endpoints().stream().filter(EndpointProbe::slow).count() * 2
                        > findings.endpoints().size();
    }

    /** The share of API requests that failed on Klaviyo's side, 0 to 1. */
    static double failingShare(Findings findings) {
        Map<Symptom, Integer> symptoms = findings.symptoms();
        int all = symptoms.values().stream().mapToInt(Integer::intValue).sum();
        return all == 0 ? 0 : (double) failures(symptoms) / all;
    }

    private static int failures(Map<Symptom, Integer> symptoms) {
        return Stream.of(Symptom.SERVER_ERROR, Symptom.NO_ANSWER, Symptom.UNREACHED)
                .mapToInt(symptom -> symptoms.getOrDefault(symptom, 0))
                .sum();
    }

    static boolean nearlyAllFail(Findings findings) {
        return failingShare(findings) >= NEARLY_ALL;
    }

    /** One endpoint fails each time it is asked, and no other ever does. */
    static boolean oneEndpointFails(Findings findings) {
        List<Symptom> failures = List.of(Symptom.SERVER_ERROR, Symptom.NO_ANSWER, Symptom.UNREACHED);
        List<String> names = failures.stream().flatMap(symptom -> findings.showing(symptom).stream()).distinct().toList();
        return names.size() == 1 && findings.endpoints().stream().filter(probe -> names.contains(probe.endpoint().name()))
                .allMatch(probe -> failures.containsAll(probe.symptoms()));
    }

    static Set<String> applicationHealth(Findings findings) {
        AppHealth.State state = findings.app().state();
        return Set.of(
                state == AppHealth.State.NOT_ASKED ? "not asked" : state == AppHealth.State.HEALTHY ? "yes" : "no");
    }

    static Set<String> applicationErrors(Findings findings) {
        Set<String> answers = new LinkedHashSet<>();
        AppErrors errors = findings.errors();
        if (errors.sees("401")) {
            answers.add(
                    findings.auth().answer() == null
                            ? "401, and there is no key here"
                            : findings.symptoms().containsKey(Symptom.UNAUTHORIZED)
                                    ? "401, and the key is refused here too"
                                    : "401, and the key is fine here");
        }
        Stream.of("429", "400", "410").filter(errors::sees).forEach(answers::add);
        // A 403 tells the application nothing about who sent it: where the CDN stops our probes, it stops the application.
        if (errors.sees("403") && !findings.symptoms().containsKey(Symptom.CDN_BLOCK)) {
            answers.add("403");
        }
        if (errors.seesOtherRefusals()) {
            answers.add("other 4xx");
        }
        // Where the probes fail as well, the application's 5xx are no news.
        if (errors.seesServerErrors() && failures(findings.symptoms()) == 0 && !findings.status().admitsTrouble()) {
            answers.add("5xx");
        }
        return answers;
    }

    static Set<String> webhooks(Findings findings) {
        Webhook.State state = findings.webhook().state();
        return Set.of(switch (state) {
            case NOT_ASKED -> "not asked";
            case LIVE -> "yes";
            case CERTIFICATE_EXPIRES_SOON -> "yes, but the certificate ends soon";
            case CERTIFICATE -> "no: certificate";
            case DOWN, DISABLED -> "no: route";
        });
    }

    static Set<String> revision(Findings findings) {
        return findings.revision().phase().map(phase -> switch (phase) {
            case RETIRED -> "no: retired, though still answered";
            case DEPRECATED -> "no: deprecated";
            case FUTURE, STABLE -> "yes";
        }).map(Set::of).orElse(Set.of());
    }

    static boolean allWatchersAnswer(Findings findings) {
        return findings.errors().state() != AppErrors.State.UNAVAILABLE && pageAnswers(findings);
    }

    static boolean pageAnswers(Findings findings) {
        return findings.status().source() != StatusPage.Source.NONE
                || findings.status().check().outcome() == Check.Outcome.SKIPPED;
    }

    /** Whether the revision is the reason why requests fail, and not only past its date. */
    static boolean revisionRefused(Findings findings) {
        return findings.symptoms().containsKey(Symptom.REVISION)
                || findings.revision().phase().filter(phase -> phase == Revision.Phase.FUTURE).isPresent();
    }
}
