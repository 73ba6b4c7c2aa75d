package runbook;

import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import runbook.Check.Outcome;

/**
 * The network path from here to the API.
 *
 * @param check as one line
 * @param path  its phases
 */
public record Network(Check check, Path path) {
    /** A certificate that ends sooner than this is worth a warning. */
    static final Duration EXPIRES_SOON = Duration.ofDays(14);

    static Network look(Settings settings, Deadline deadline) {
        long start = System.nanoTime();
        Path path = Path.to(settings.target().api(), settings.proxies(), deadline);
        long millis = Duration.ofNanos(System.nanoTime() - start).toMillis();
        return new Network(
                new Check("network", outcome(path), summary(path), millis, null, Json.of(detail(path))), path);
    }

    static Network skipped() {
        return new Network(
                Check.skipped("network", "not asked for"),
                new Path(Optional.empty(), List.of(), -1, -1, -1, List.of(), Optional.empty()));
    }

    private static Outcome outcome(Path path) {
        return path.fault().isPresent() ? Outcome.FAIL : expiresSoon(path) ? Outcome.WARN : Outcome.OK;
    }

    private static String summary(Path path) {
        String timing = path.timing();
        return path.fault().map(fault -> fault.words() + (timing.isEmpty() ? "" : " (" + timing + ")"))
                .orElse(timing + expiry(path));
    }

    /** Whether the certificate ends within {@link #EXPIRES_SOON}. */
    static boolean expiresSoon(Path path) {
        return path.expires().filter(end -> end.isBefore(Instant.now().plus(EXPIRES_SOON))).isPresent();
    }

    /** {@code , certificate until 2027-01-31 (68 days)}; empty without TLS. */
    static String expiry(Path path) {
        return path.expires().map(end -> {
            Duration left = Duration.between(Instant.now(), end);
            String day = end.toString().substring(0, 10);
            return left.isNegative() ? ", certificate expired " + day + " (" + Durations.words(left.negated()) + " ago)"
                    : ", certificate until " + day + " (" + Text.count(left.toDays(), "day") + ")";
        }).orElse("");
    }

    /** The phases and the certificates as plain values. */
    static Map<String, Object> detail(Path path) {
        Map<String, Object> detail = new LinkedHashMap<>();
        detail.put("proxy", path.proxy().orElse(null));
        detail.put("addresses", path.addresses());
        detail.put("dnsMillis", path.dnsMillis() < 0 ? null : path.dnsMillis());
        detail.put("connectMillis", path.connectMillis() < 0 ? null : path.connectMillis());
        detail.put("tlsMillis", path.tlsMillis() < 0 ? null : path.tlsMillis());
        detail.put("certificates", path.chain().stream().map(certificate -> Map.of(
                "subject", Text.safe(certificate.getSubjectX500Principal().getName(), 200),
                "issuer", Text.safe(certificate.getIssuerX500Principal().getName(), 200),
                "notAfter", certificate.getNotAfter().toInstant().toString())).toList());
        detail.put("fault", path.fault().map(fault -> fault.kind().name().toLowerCase()).orElse(null));
        return detail;
    }
}
