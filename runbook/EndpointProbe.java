package runbook;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import runbook.Answer.Reply;
import runbook.Check.Outcome;

/**
 * One endpoint, asked a few times at once, so that an intermittent failure shows as a rate.
 *
 * @param check    as one line
 * @param endpoint what was asked
 * @param samples  the answers; empty when it was not asked
 */
public record EndpointProbe(Check check, Endpoint endpoint, List<Answer> samples) {
    /** The share of an endpoint's steady window that one probe may spend. */
    private static final double QUOTA = 0.03;
    private static final long APART_MILLIS = 4;

    /** How many samples an endpoint's limits allow: a few percent of its minute, half of its second, and at least one. */
    public static int affordable(Endpoint endpoint, int wanted) {
        int allowed = (int) Math.min(endpoint.steady() * QUOTA, endpoint.burst() / 2.0);
        return Math.max(1, Math.min(wanted, allowed));
    }

    static EndpointProbe look(Endpoint endpoint, Settings settings, Http http, Executor pool, Deadline deadline) {
        if (settings.key().isEmpty()) {
            return new EndpointProbe(Check.skipped("endpoint:" + endpoint.name(), "needs a key"), endpoint, List.of());
        }
        List<CompletableFuture<Answer>> running = new ArrayList<>();
        for (int i = 0; i < affordable(endpoint, settings.probing().samples()); i++) {
            Executor later = i == 0 ? pool : CompletableFuture.delayedExecutor(i * APART_MILLIS, TimeUnit.MILLISECONDS, pool);
            running.add(CompletableFuture.supplyAsync(() -> http.api(endpoint.target(), deadline.left()), later));
        }
        return of(endpoint, running.stream().map(CompletableFuture::join).toList(), settings.probing());
    }

    static EndpointProbe of(Endpoint endpoint, List<Answer> samples, Settings.Probing probing) {
        List<Answer> failed = samples.stream().filter(answer -> Symptom.of(answer) != Symptom.NONE).toList();
        long median = samples.stream().map(Answer::millis).sorted().skip(samples.size() / 2).findFirst().orElse(0L);
        boolean slow = failed.isEmpty() && median > probing.slow().toMillis();
        String summary = failed.isEmpty()
                ? samples.size() + " of " + samples.size() + " ok, median " + median + " ms"
                        + (slow ? ", which is slow" : "")
                : failed.size() + " of " + samples.size() + " failed: "
                        + failed.stream()
                                .map(Symptom::describe)
                                .distinct()
                                .limit(2)
                                .collect(Collectors.joining("; "));
        Outcome outcome = failed.isEmpty()
                ? slow ? Outcome.WARN : Outcome.OK
                : planMayLack(endpoint, failed) ? Outcome.WARN : Outcome.FAIL;
        Integer http = (failed.isEmpty() ? samples : failed)
                .stream()
                        .filter(Reply.class::isInstance)
                        .map(answer -> ((Reply) answer).status())
                        .max(Comparator.naturalOrder())
                        .orElse(null);
        Check check = new Check(
                "endpoint:" + endpoint.name(),
                outcome,
                summary,
                samples.stream().mapToLong(Answer::millis).max().orElse(0),
                http,
                Json.of(detail(samples, median)));
        return new EndpointProbe(check, endpoint, samples);
    }

    // A 403 on webhooks may be the plan (Advanced KDP and app partners only) and no scope of the key's.
    private static boolean planMayLack(Endpoint endpoint, List<Answer> failed) {
        return endpoint.equals(Endpoint.WEBHOOKS) && failed.stream().allMatch(answer -> Symptom.of(answer) == Symptom.FORBIDDEN);
    }

    private static Map<String, Object> detail(List<Answer> samples, long median) {
        Map<String, Object> detail = new LinkedHashMap<>();
        detail.put("samples", samples.size());
        detail.put("failed", samples.stream().filter(answer -> Symptom.of(answer) != Symptom.NONE).count());
        detail.put("medianMillis", median);
        detail.put("symptoms", samples.stream().map(Symptom::of).filter(symptom -> symptom != Symptom.NONE)
                .collect(Collectors.groupingBy(Symptom::words, LinkedHashMap::new, Collectors.counting())));
        return detail;
    }

    /** What each sample says. */
    public List<Symptom> symptoms() {
        return samples.stream().map(Symptom::of).toList();
    }

    /** The first whole reply that succeeded. */
    public Optional<Reply> success() {
        return samples.stream().filter(answer -> Symptom.of(answer) == Symptom.NONE).map(Reply.class::cast).findFirst();
    }

    /** Whether every sample came, and half of them slower than the threshold. */
    public boolean slow() {
        return check.outcome() == Outcome.WARN && success().isPresent();
    }
}
