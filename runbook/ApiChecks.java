package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import runbook.Screen.Check.Outcome;
import runbook.Screen.Check;
import runbook.Http.Deadline;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Kind;
import runbook.Http.Reply;
import runbook.Klaviyo.ApiError;
import runbook.Klaviyo.Endpoint;
import runbook.Klaviyo.Revision;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.redact.Redactor;

/** Whether Klaviyo's API answers: the key, the endpoints, rate limits, the revision, and what each answer says. */
public final class ApiChecks {
    private ApiChecks() { }

    /**
     * Whether the key authenticates, and whose it is. Without a key, or with one that cannot be sent, there is no
     * answer (null); the account is empty when it was not told; faults say what is wrong with the key's form.
     */
    public record Auth(Check check, Optional<Key> key, List<String> faults, Answer answer, Symptom symptom,
                       Optional<Account> account) {
        /** The account of a key: its id, which is its public site id as well, and its organisation's name. */
        public record Account(String id, String name, boolean test) {
            @Override
            public String toString() {
                return (name.isEmpty() ? "account " + id : name + " (" + id + ")") + (test ? ", a test account" : "");
            }
        }

        static Auth look(Settings settings, Http http, Deadline deadline) {
            if (settings.key().isEmpty()) {
                Check check = Check.skipped("auth",
                        "no private key here: set KLAVIYO_PRIVATE_KEY, or give --key-file or --key-command");
                return new Auth(check, Optional.empty(), List.of(), null, Symptom.NONE, Optional.empty());
            }
            Key key = settings.key().get();
            List<String> faults = key.faults();
            if (key.cleaned().reveal().isEmpty()) {
                Check check = new Check("auth", Outcome.FAIL, "the key is unfit: " + faults.get(0), 0, null,
                        detail(key, faults, Optional.empty()));
                return new Auth(check, settings.key(), faults, null, Symptom.NONE, Optional.empty());
            }
            return of(key, faults, http.api(Endpoint.ACCOUNTS.target(), deadline.left()));
        }

        private static Auth of(Key key, List<String> faults, Answer answer) {
            Symptom symptom = Symptom.of(answer);
            Optional<Account> account = symptom == Symptom.NONE ? account((Reply) answer) : Optional.empty();
            String form = faults.isEmpty() ? "" : "the key is unfit: " + String.join("; ", faults)
                    + ". Tried without that: ";
            String said = switch (symptom) {
                case NONE -> account.map(Account::toString).orElse("authenticated") + ", key "
                        + key.cleaned().describe();
                case FORBIDDEN -> "the key is valid but may not read accounts (" + Symptom.describe(answer) + ")";
                case THROTTLED -> "throttled before the key was judged: " + Symptom.describe(answer);
                case UNAUTHORIZED -> Symptom.describe(answer) + "; key " + key.cleaned().describe();
                default -> Symptom.describe(answer);
            };
            Outcome outcome = switch (symptom) {
                case NONE -> key.known() ? Outcome.OK : Outcome.WARN;
                case FORBIDDEN, THROTTLED -> Outcome.WARN;
                default -> Outcome.FAIL;
            };
            Check check = new Check("auth", faults.isEmpty() ? outcome : Outcome.FAIL, form + said, answer.millis(),
                    Check.status(answer), detail(key, faults, account));
            return new Auth(check, Optional.of(key), faults, answer, symptom, account);
        }

        /** The account in an answer of {@code GET /api/accounts}; empty when there is none in it. */
        public static Optional<Account> account(Reply reply) {
            JsonNode account = reply.json().path("data").path(0);
            JsonNode attributes = account.path("attributes");
            return account.path("id").isTextual() ? Optional.of(new Account(Text.safe(account.path("id").asText(), 20),
                            Text.safe(attributes.path("contact_information").path("organization_name").asText(), 60),
                            attributes.path("test_account").asBoolean()))
                    : Optional.empty();
        }

        private static JsonNode detail(Key key, List<String> faults, Optional<Account> account) {
            Map<String, Object> detail = new LinkedHashMap<>();
            detail.put("key", Map.of("kind", key.kind(), "length", key.reveal().length(), "fingerprint",
                    key.fingerprint()));
            detail.put("keyFaults", faults);
            detail.put("account", account.map(one -> Map.of("id", one.id, "name", one.name, "test", one.test))
                    .orElse(null));
            return Json.of(detail);
        }

        /** Whether an OAuth access token was tried, not a private key. */
        boolean token() {
            return key.map(Key::token).orElse(false);
        }

        /** The error's code and detail where Klaviyo sent one. */
        public Optional<ApiError> error() {
            return answer instanceof Reply reply ? ApiError.of(reply) : Optional.empty();
        }
    }

    /**
     * One endpoint, asked a few times at once, so that an intermittent failure shows as a rate; without samples when
     * it was not asked.
     */
    public record EndpointProbe(Check check, Endpoint endpoint, List<Answer> samples) {
        /** The share of an endpoint's steady window that one probe may spend. */
        private static final double QUOTA = 0.03;
        private static final long APART_MILLIS = 4;

        /**
         * How many samples an endpoint's limits allow: a few percent of its minute, half of its second, and at least
         * one.
         */
        public static int affordable(Endpoint endpoint, int wanted) {
            int allowed = (int) Math.min(endpoint.steady() * QUOTA, endpoint.burst() / 2.0);
            return Math.max(1, Math.min(wanted, allowed));
        }

        /**
         * Starts the requests; the supplier waits for the answers and says what they come to. That is done by whoever
         * asks for it: where many threads come to one lambda at once, each spins a class of its own.
         */
        static Supplier<EndpointProbe> ask(Endpoint endpoint, Settings settings, Http http, Executor pool,
                Deadline end) {
            if (settings.key().isEmpty()) {
                Check check = Check.skipped("endpoint:" + endpoint.name(), "needs a key");
                return () -> new EndpointProbe(check, endpoint, List.of());
            }
            Supplier<Answer> request = () -> http.api(endpoint.target(), end.left());
            List<CompletableFuture<Answer>> running = new ArrayList<>();
            for (int i = 0; i < affordable(endpoint, settings.probing().samples()); i++) {
                Executor later = i == 0 ? pool
                        : CompletableFuture.delayedExecutor(i * APART_MILLIS, TimeUnit.MILLISECONDS, pool);
                running.add(CompletableFuture.supplyAsync(request, later));
            }
            return () -> of(endpoint, running.stream().map(CompletableFuture::join).toList(), settings.probing());
        }

        static EndpointProbe of(Endpoint endpoint, List<Answer> samples, Settings.Probing probing) {
            List<Answer> failed = samples.stream().filter(answer -> Symptom.of(answer) != Symptom.NONE).toList();
            long median = samples.stream().map(Answer::millis).sorted().skip(samples.size() / 2).findFirst().orElse(0L);
            boolean slow = failed.isEmpty() && median > probing.slow().toMillis();
            String why = failed.stream().map(Symptom::describe).distinct().limit(2).collect(Collectors.joining("; "));
            String summary = failed.isEmpty() ? samples.size() + " of " + samples.size()
                    + " ok, median " + median + " ms" + (slow ? ", which is slow" : "")
                    : failed.size() + " of " + samples.size() + " failed: " + why;
            Outcome well = slow ? Outcome.WARN : Outcome.OK;
            Outcome ill = planMayLack(endpoint, failed) ? Outcome.WARN : Outcome.FAIL;
            Integer http = (failed.isEmpty() ? samples : failed).stream().filter(Reply.class::isInstance)
                    .map(answer -> ((Reply) answer).status()).max(Comparator.naturalOrder()).orElse(null);
            Check check = new Check("endpoint:" + endpoint.name(), failed.isEmpty() ? well : ill, summary,
                    samples.stream().mapToLong(Answer::millis).max().orElse(0), http, Json.of(detail(samples, median)));
            return new EndpointProbe(check, endpoint, samples);
        }

        // A 403 on webhooks may be the plan (Advanced KDP and app partners only) and no scope of the key's.
        private static boolean planMayLack(Endpoint endpoint, List<Answer> failed) {
            return endpoint.is(Endpoint.WEBHOOKS)
                    && failed.stream().allMatch(answer -> Symptom.of(answer) == Symptom.FORBIDDEN);
        }

        private static Map<String, Object> detail(List<Answer> samples, long median) {
            Map<String, Long> symptoms = samples.stream().map(Symptom::of).filter(symptom -> symptom != Symptom.NONE)
                    .collect(Collectors.groupingBy(Symptom::words, Collectors.counting()));
            long failed = symptoms.values().stream().mapToLong(Long::longValue).sum();
            return Map.of("samples", samples.size(), "failed", failed, "medianMillis", median, "symptoms", symptoms);
        }

        /** What each sample says. */
        public List<Symptom> symptoms() {
            return samples.stream().map(Symptom::of).toList();
        }

        /** The first whole reply that succeeded. */
        public Optional<Reply> success() {
            return samples.stream().filter(answer -> Symptom.of(answer) == Symptom.NONE).map(Reply.class::cast)
                    .findFirst();
        }

        /** Whether every sample came, and half of them slower than the threshold. */
        public boolean slow() {
            return check.outcome() == Outcome.WARN && success().isPresent();
        }
    }

    /**
     * What the answers say about the account's rate limits, which all its private keys share: each endpoint's steady
     * window by its name, and the longest wait in seconds that a 429 asked for.
     */
    public record RateLimits(Check check, Map<String, Window> windows, OptionalLong retryAfterSeconds) {
        /**
         * What a few of our own probes can use up in a minute: little left of such a window says nothing of the
         * application.
         */
        private static final int SMALL = 30;

        /** The steady window: requests allowed and left in it, and seconds until it is full again. */
        public record Window(long limit, long remaining, long resetSeconds) {
            boolean low() {
                return remaining * 10 < limit;
            }

            private Window least(Window other) {
                return remaining < other.remaining ? this : other;
            }
        }

        static RateLimits of(Auth auth, List<EndpointProbe> probes) {
            Map<String, Window> windows = new LinkedHashMap<>();
            List<String> throttled = new ArrayList<>();
            OptionalLong wait = OptionalLong.empty();
            Map<String, List<Answer>> answers = new LinkedHashMap<>();
            if (auth.answer() != null) {
                answers.put("accounts", List.of(auth.answer()));
            }
            probes.forEach(probe -> answers.computeIfAbsent(probe.endpoint().name(), name -> new ArrayList<>())
                    .addAll(probe.samples()));
            for (var entry : answers.entrySet()) {
                for (Answer answer : entry.getValue()) {
                    if (answer instanceof Reply reply && reply.status() == 429) {
                        throttled.add(entry.getKey());
                        wait = OptionalLong.of(Math.max(ApiError.retryAfter(reply).orElse(0L), wait.orElse(0)));
                    } else if (answer instanceof Reply reply && reply.number("ratelimit-limit").isPresent()) {
                        windows.merge(entry.getKey(), window(reply), Window::least);
                    }
                }
            }
            return new RateLimits(check(windows, throttled.stream().distinct().toList(), wait), windows, wait);
        }

        private static Window window(Reply reply) {
            return new Window(reply.number("ratelimit-limit").getAsLong(), reply.number("ratelimit-remaining")
                    .orElse(0), reply.number("ratelimit-reset").orElse(0));
        }

        private static Check check(Map<String, Window> windows, List<String> throttled, OptionalLong wait) {
            if (windows.isEmpty() && throttled.isEmpty()) {
                return Check.skipped("rate-limit", "no answer carried rate limit headers");
            }
            List<String> said = new ArrayList<>();
            if (!throttled.isEmpty()) {
                said.add("429 on " + String.join(", ", throttled) + (wait.orElse(0) > 0
                        ? ": full again in " + words(wait.getAsLong()) : ": may be asked again at once"));
            }
            windows.forEach((name, window) -> said.add(words(name, window)));
            boolean low = windows.values().stream().anyMatch(Window::low);
            Outcome outcome = low ? Outcome.WARN : Outcome.OK;
            Map<String, Object> plain = new LinkedHashMap<>();
            windows.forEach((name, window) -> plain.put(name, Map.of(
                    "limit", window.limit, "remaining", window.remaining, "resetSeconds", window.resetSeconds)));
            Map<String, Object> detail = new LinkedHashMap<>();
            detail.put("windows", plain);
            detail.put("throttled", throttled);
            detail.put("retryAfterSeconds", wait.isPresent() ? wait.getAsLong() : null);
            return new Check("rate-limit", throttled.isEmpty() ? outcome : Outcome.FAIL, String.join("; ", said), 0,
                    throttled.isEmpty() ? null : 429, Json.of(detail));
        }

        private static String words(String name, Window window) {
            return name + " " + window.remaining + " of " + window.limit + " left"
                    + (window.low() ? " (full again in " + window.resetSeconds + " s)" : "");
        }

        private static String words(long seconds) {
            return Durations.words(Duration.ofSeconds(seconds));
        }

        /**
         * The windows of which less than a tenth is left, in words: {@code profiles 3 of 750 left (full again in 12
         * s)}.
         */
        List<String> low() {
            return windows.entrySet().stream().filter(one -> one.getValue().low() && one.getValue().limit > SMALL)
                    .map(one -> words(one.getKey(), one.getValue())).toList();
        }

        /** How long a 429 asked to wait, in words; empty when it did not. */
        String waitWords() {
            return retryAfterSeconds.orElse(0) > 0 ? words(retryAfterSeconds.getAsLong()) : "";
        }
    }

    /** Where the API revision is in its life, by date; without a phase when the revision is no date. */
    public record RevisionCheck(Check check, Optional<Revision.Phase> phase) {
        static RevisionCheck of(String text, LocalDate today) {
            Optional<Revision> known = Revision.of(text);
            if (known.isEmpty()) {
                return new RevisionCheck(new Check("revision", Outcome.FAIL, Text.safe(text, 30)
                        + " is no revision: write YYYY-MM-DD", 0, null, Json.object()), Optional.empty());
            }
            Revision revision = known.get();
            Revision.Phase phase = revision.phase(today);
            String move = revision.date().equals(Revision.NEWEST.date()) ? "" : ": move to " + Revision.NEWEST;
            String life = switch (phase) {
                case FUTURE -> " is in the future: Klaviyo refuses it";
                case STABLE -> " is supported; deprecated from " + revision.deprecated() + ", retired on "
                        + revision.retires();
                case DEPRECATED -> " is deprecated since " + revision.deprecated() + "; retired on "
                        + revision.retires() + move;
                case RETIRED -> " was retired on " + revision.retires() + move;
            };
            Outcome outcome = switch (phase) {
                case STABLE -> Outcome.OK;
                case DEPRECATED -> Outcome.WARN;
                case FUTURE, RETIRED -> Outcome.FAIL;
            };
            JsonNode detail = Json.of(Map.of("revision", revision, "phase", phase.name().toLowerCase(Locale.ROOT),
                    "deprecated", revision.deprecated(), "retires", revision.retires()));
            return new RevisionCheck(new Check("revision", outcome, revision + life, 0, null, detail),
                    Optional.of(phase));
        }
    }

    /** What one answer from Klaviyo's API says about what is wrong. */
    public enum Symptom {
        NONE("ok"), UNAUTHORIZED("401 unauthorized"),
        /** Not the content network's: a scope that the key lacks, a plan without the feature, or load that is shed. */
        FORBIDDEN("403 forbidden"), INVALID("400 invalid request"),
        /** 410, or a 400 or 404 that says so. */
        REVISION("revision refused"), THROTTLED("429 throttled"), OTHER_CLIENT_ERROR("other 4xx"),
        /** The content network's 520 to 530 among them. */
        SERVER_ERROR("5xx"), CDN_BLOCK("CDN block"), UNREACHED("not reached"),
        /** There was not even an address or a proxy to connect through. */
        NO_ROUTE("DNS or proxy failure"), TLS("TLS failure"),
        /** Connected, and then no whole answer. */
        NO_ANSWER("no answer"),
        /** An answer, but not what an API says: HTML, a redirect, broken JSON. */
        GARBLED("garbled answer");

        private final String words;

        Symptom(String words) {
            this.words = words;
        }

        private record Rule(Predicate<Reply> when, Symptom then) { }

        private static final List<Rule> RULES = List.of(new Rule(reply -> reply.status() == 429, THROTTLED),
                new Rule(reply -> reply.status() >= 500, SERVER_ERROR),
                new Rule(ApiError::fromCdn, CDN_BLOCK),
                new Rule(reply -> reply.status() == 401, UNAUTHORIZED),
                new Rule(reply -> reply.status() == 403, FORBIDDEN),
                new Rule(reply -> reply.status() == 410 || reply.status() >= 400 && says(reply, "revision"), REVISION),
                new Rule(reply -> reply.status() == 400, INVALID),
                new Rule(reply -> reply.status() >= 400, OTHER_CLIENT_ERROR),
                new Rule(reply -> reply.status() / 100 != 2 || !reply.json().path("data").isArray(), GARBLED));

        /** What an answer says. */
        public static Symptom of(Answer answer) {
            if (answer instanceof Reply reply) {
                for (Rule rule : RULES) {
                    if (rule.when.test(reply)) {
                        return rule.then;
                    }
                }
                return NONE;
            }
            Kind kind = ((Fault) answer).kind();
            if (kind.tls()) {
                return TLS;
            }
            return switch (kind) {
                case DNS, PROXY -> NO_ROUTE;
                case REFUSED, UNREACHABLE, CONNECT_TIMEOUT -> UNREACHED;
                case TIMEOUT, SLOW_BODY, RESET -> NO_ANSWER;
                case BAD_REQUEST -> UNAUTHORIZED;
                default -> GARBLED;
            };
        }

        // Klaviyo answers a revision it does not serve with 400 or 404, and only the detail tells: 404 does not mean
        // missing.
        private static boolean says(Reply reply, String word) {
            return ApiError.of(reply).filter(error ->
                    error.detail().toLowerCase(Locale.ROOT).contains(word)).isPresent();
        }

        /** Whether an answer is a 403 that does not say which scope is missing. */
        static boolean namesNoScope(Answer answer) {
            return of(answer) == FORBIDDEN && !says((Reply) answer, "scope");
        }

        /** Short words for tables: {@code 5xx}, {@code 403 forbidden}. */
        public String words() {
            return words;
        }

        /**
         * An answer in words for one line: {@code HTTP 503 unavailable: …}, or the fault. What it quotes is redacted.
         */
        public static String describe(Answer answer) {
            if (answer instanceof Fault fault) {
                return fault.words();
            }
            Reply reply = (Reply) answer;
            String http = "HTTP " + reply.status();
            if (of(reply) == NONE) {
                return http;
            }
            if (reply.status() / 100 == 3) {
                return http + ", a redirect, which the API never sends";
            }
            if (ApiError.fromCdn(reply)) {
                return http + " from the CDN in front of Klaviyo, not from Klaviyo"
                        + reply.header("cf-ray").map(ray -> " (cf-ray " + ray + ")").orElse("") + (reply.status() == 400
                        ? "; it refuses the request itself: look for a line break in the Authorization header" : "");
            }
            String otherwise = reply.json().isMissingNode() ? ", " + reply.notJson()
                    : ", JSON without the data that belongs there";
            return http + Redactor.strict().text(ApiError.of(reply).map(error -> " " + error).orElse(otherwise));
        }
    }
}
