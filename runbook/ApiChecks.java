package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Klaviyo.ApiError;
import runbook.Klaviyo.Endpoint;
import runbook.Klaviyo.Revision;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Screen.Group;
import runbook.Text.Json;
import runbook.redact.*;

/**
 * Whether Klaviyo's API answers: the key, the endpoints, rate limits, the revision; and what an answer says, of Klaviyo
 * or of our application.
 */
public final class ApiChecks {
    private ApiChecks() { }

    /** The account of a key: its id, which is its public site id as well, and its organisation's name. */
    public record Account(String id, String name, boolean test) {
        /** The account in an answer; the organisation's name is there for keys that may read it. */
        public static Optional<Account> in(Answer answer) {
            if (!Symptom.NONE.is(answer)) {
                return Optional.empty();
            }
            JsonNode account = ((Reply) answer).json().at("/data/0");
            String name = account.at("/attributes/contact_information/organization_name").asText();
            boolean test = account.at("/attributes/test_account").asBoolean();
            return Optional.of(account.path("id")).filter(JsonNode::isTextual)
                    .map(id -> new Account(Text.safe(id.asText(), 20), Text.safe(name, 60), test));
        }

        @Override
        public String toString() {
            return (name.isEmpty() ? "account " + id : name + " (" + id + ")") + (test ? ", a test account" : "");
        }
    }

    // ---- the key

    /** Whether the key authenticates, and whose it is; no sample without a key. */
    static Probe auth(Optional<Key> given, Http http) {
        if (given.isEmpty()) {
            return Probe.skipped("auth", Endpoint.ACCOUNTS, "no private key here: set KLAVIYO_PRIVATE_KEY, or give"
                    + " --key-file or --key-command");
        }
        Key key = given.get();
        Answer answer = http.api(Endpoint.ACCOUNTS);
        Optional<Account> account = Account.in(answer);
        Symptom symptom = Symptom.of(answer);
        String reply = Symptom.describe(answer);
        String shown = "key " + key.cleaned().describe();
        String said = switch (symptom) {
            case NONE -> account.map(Account::toString).orElse("authenticated") + ", " + shown;
            case FORBIDDEN -> Symptom.namesNoScope(answer) ? reply + "; no scope is named: it need not be the key"
                    : "the key is valid but may not read accounts (" + reply + ")";
            case THROTTLED -> "throttled before the key was judged: " + reply;
            case UNAUTHORIZED -> reply + "; " + shown;
            default -> reply;
        };
        List<String> faults = key.faults();
        Outcome fit = switch (symptom) {
            case NONE -> key.known() ? Outcome.OK : Outcome.WARN;
            case FORBIDDEN, THROTTLED -> Outcome.WARN;
            default -> Outcome.FAIL;
        };
        Map<String, Object> detail = Json.map(
                "account", account.map(one -> Map.of("id", one.id, "name", one.name, "test", one.test)).orElse(null),
                "key", Map.of("kind", key.kind(), "length", key.reveal().length(), "fingerprint", key.fingerprint()),
                "keyFaults", faults);
        String unfit = "the key is unfit: " + String.join("; ", faults) + ". Tried without that: ";
        Check check = new Check("auth", faults.isEmpty() ? fit : Outcome.FAIL, faults.isEmpty() ? said : unfit + said,
                answer.millis(), answer.http(), Json.of(detail));
        return new Probe(check, Endpoint.ACCOUNTS, List.of(answer));
    }

    // ---- the endpoints

    /**
     * One endpoint, asked a few times at once, so that an intermittent failure shows as a rate; without samples when
     * it was not asked.
     */
    public record Probe(Check check, Endpoint endpoint, List<Answer> samples) {
        /** The share of an endpoint's steady window that one probe may spend. */
        private static final double QUOTA = 0.03;
        private static final long APART_MILLIS = 4;
        private static final long SLOW_MILLIS = 2_000;

        static Probe skipped(String name, Endpoint endpoint, String why) {
            return new Probe(Check.skipped(name, why), endpoint, List.of());
        }

        /**
         * Starts the requests: as many as are wished, of a few percent of the endpoint's minute and half of its second,
         * and at least one. The supplier waits for the answers and says what they come to. That is done by whoever
         * asks for it: where many threads come to one lambda at once, each spins a class of its own.
         */
        static Supplier<Probe> ask(Endpoint endpoint, Http http, Executor pool) {
            int wish = http.settings.probing().samples();
            double allowed = Math.min(wish, Math.min(endpoint.steady() * QUOTA, endpoint.burst() / 2.0));
            Supplier<Answer> request = () -> http.api(endpoint);
            List<CompletableFuture<Answer>> running = new ArrayList<>();
            running.add(CompletableFuture.supplyAsync(request, pool));
            for (int i = 1; i < (int) allowed; i++) {
                running.add(CompletableFuture.supplyAsync(request,
                        CompletableFuture.delayedExecutor(i * APART_MILLIS, TimeUnit.MILLISECONDS, pool)));
            }
            return () -> of(endpoint, running.stream().map(CompletableFuture::join).toList());
        }

        static Probe of(Endpoint endpoint, List<Answer> samples) {
            List<Answer> failed = samples.stream().filter(answer -> !Symptom.NONE.is(answer)).toList();
            long median = samples.stream().map(Answer::millis).sorted().skip(samples.size() / 2).findFirst().orElse(0L);
            boolean slow = failed.isEmpty() && median > SLOW_MILLIS;
            String said = samples.size() + " of " + samples.size() + " ok, median " + median + " ms"
                    + (slow ? ", which is slow" : "");
            if (!failed.isEmpty()) {
                Map<String, String> words = new LinkedHashMap<>();
                failed.stream().map(Symptom::describe).forEach(one -> words.putIfAbsent(Group.withoutRay(one), one));
                said = failed.size() + " of " + samples.size() + " failed: "
                        + words.values().stream().limit(2).collect(Collectors.joining("; "));
            }
            // A 403 on webhooks may be the plan (Advanced KDP and app partners only) and no scope of the key's.
            boolean doubtful = failed.isEmpty() ? slow
                    : endpoint.is(Endpoint.WEBHOOKS) && failed.stream().allMatch(Symptom.FORBIDDEN::is);
            Outcome sure = failed.isEmpty() ? Outcome.OK : Outcome.FAIL;
            Integer http = (failed.isEmpty() ? samples : failed).stream().map(Answer::http).filter(Objects::nonNull)
                    .max(Comparator.naturalOrder()).orElse(null);
            Check check = new Check("endpoint:" + endpoint.name(), doubtful ? Outcome.WARN : sure, said,
                    samples.stream().mapToLong(Answer::millis).max().orElse(0), http,
                    Json.of(Map.of("samples", samples.size(), "failed", failed.size(), "medianMillis", median)));
            return new Probe(check, endpoint, samples);
        }

        /** The first whole reply that succeeded. */
        public Optional<Reply> success() {
            return samples.stream().filter(Symptom.NONE::is).map(Reply.class::cast).findFirst();
        }

        /** Whether every sample came, and half of them slower than the threshold. */
        public boolean slow() {
            return check.outcome() == Outcome.WARN && success().isPresent();
        }
    }

    // ---- the limits

    /** An endpoint's steady window: requests allowed and left in it, and seconds until it is full again. */
    public record Window(long limit, long remaining, long resetSeconds) {
        private static Window of(Reply reply) {
            return new Window(reply.number("ratelimit-limit").orElse(0),
                    reply.number("ratelimit-remaining").orElse(0), reply.number("ratelimit-reset").orElse(0));
        }

        private boolean low() {
            return remaining * 10 < limit;
        }

        private String words(String name) {
            return name + " " + remaining + " of " + limit + " left"
                    + (low() ? " (full again in " + resetSeconds + " s)" : "");
        }
    }

    /**
     * What the answers say about the account's rate limits, which all its private keys share: each endpoint's steady
     * window by its name, those that answered 429, and the seconds of the longest wait that a 429 asked for, or -1.
     */
    public record RateLimits(Map<String, Window> windows, Set<String> throttled, long seconds) {
        /** A window that a few of our own probes can use up: little left of it says nothing of the application. */
        private static final int SMALL = 30;

        static RateLimits of(Map<String, List<Answer>> answers) {
            Map<String, Window> windows = new LinkedHashMap<>();
            Set<String> throttled = new LinkedHashSet<>();
            long seconds = -1;
            for (String name : answers.keySet()) {
                for (Answer answer : answers.get(name)) {
                    if (Symptom.THROTTLED.is(answer)) {
                        throttled.add(name);
                        seconds = Math.max(seconds, ApiError.retryAfter((Reply) answer).orElse(-1));
                    } else if (answer instanceof Reply reply && reply.number("ratelimit-limit").isPresent()) {
                        windows.merge(name, Window.of(reply), (one, other) ->
                                other.remaining < one.remaining ? other : one);
                    }
                }
            }
            return new RateLimits(windows, throttled, seconds);
        }

        Check check() {
            List<String> said = new ArrayList<>(throttled.isEmpty() ? List.of() : List.of(refusal()));
            Map<String, Object> plain = new LinkedHashMap<>();
            windows.forEach((name, window) -> {
                said.add(window.words(name));
                plain.put(name, Map.of("limit", window.limit, "remaining", window.remaining, "resetSeconds",
                        window.resetSeconds));
            });
            if (said.isEmpty()) {
                return Check.skipped("rate-limit", "no answer carried rate limit headers");
            }
            Outcome well = windows.values().stream().anyMatch(Window::low) ? Outcome.WARN : Outcome.OK;
            return new Check("rate-limit", throttled.isEmpty() ? well : Outcome.FAIL, String.join("; ", said), 0,
                    throttled.isEmpty() ? null : 429,
                    Json.of(Map.of("windows", plain, "throttled", throttled, "retryAfterSeconds",
                            Math.max(0, seconds))));
        }

        /** Windows of which less than a tenth is left: {@code profiles 3 of 750 left (full again in 12 s)}. */
        List<String> low() {
            return windows.entrySet().stream().filter(one -> one.getValue().low() && one.getValue().limit > SMALL)
                    .map(one -> one.getValue().words(one.getKey())).toList();
        }

        /** {@code 429 on events: full again in 1 min}; empty without a 429. */
        String refusal() {
            String told = seconds == 0 ? "may be asked again at once"
                    : "full again in " + Text.Durations.words(Duration.ofSeconds(seconds));
            String wait = seconds < 0 ? "for how long is not told" : told;
            return throttled.isEmpty() ? "" : "429 on " + String.join(", ", throttled) + ": " + wait;
        }
    }

    // ---- the revision

    /** Where the API revision is in its life, by date; the state is whether it is supported. */
    static Check revision(String text, LocalDate today) {
        Revision revision = Revision.of(text).orElseThrow();
        Revision.Phase phase = revision.phase(today);
        String retired = "retired on " + revision.retires();
        String move = revision.date().equals(Revision.NEWEST.date()) ? "" : ": move to " + Revision.NEWEST;
        String life = switch (phase) {
            case FUTURE -> " is in the future: Klaviyo refuses it";
            case STABLE -> " is supported; deprecated from " + revision.deprecated() + ", " + retired;
            case DEPRECATED -> " is deprecated since " + revision.deprecated() + "; " + retired + move;
            case RETIRED -> " was " + retired + move;
        };
        Outcome ended = phase == Revision.Phase.DEPRECATED ? Outcome.WARN : Outcome.FAIL;
        String word = phase.word();
        return new Check("revision", phase == Revision.Phase.STABLE ? Outcome.OK : ended, revision + life, 0, null,
                Json.of(Map.of("revision", text, "phase", word, "deprecated", revision.deprecated(), "retires",
                        revision.retires())), word.matches("stable|future") ? "yes" : "no: " + word);
    }

    // ---- what an answer says

    /** What one answer from Klaviyo's API says about what is wrong, with the decision tree's answer for it. */
    public enum Symptom {
        NONE("ok"), UNAUTHORIZED("401"),
        /** Not the content network's: a scope that the key lacks, a plan without the feature, or load that is shed. */
        FORBIDDEN("403"), INVALID("400"),
        /** 410, or a 400 or 404 that says so. */
        REVISION("revision refused"), THROTTLED("429"), OTHER_CLIENT_ERROR("other 4xx"),
        /** The content network's 520 to 530 among them. */
        SERVER_ERROR("5xx or no answer"), NO_ANSWER("5xx or no answer"), CDN_BLOCK("403 from the CDN"),
        /** No way to Klaviyo, or an answer that is not what an API says: HTML, a redirect, broken JSON. */
        FOREIGN("not Klaviyo's answer");

        final String words;

        Symptom(String words) {
            this.words = words;
        }

        boolean failure() {
            return this == SERVER_ERROR || this == NO_ANSWER;
        }

        /** What an answer is a symptom of; only 2xx with a list of data is {@link #NONE}. */
        public static Symptom of(Answer answer) {
            if (answer instanceof Reply reply) {
                boolean data = reply.status() / 100 == 2 && reply.json().path("data").isArray();
                Symptom well = data ? NONE : FOREIGN;
                return reply.status() >= 400 ? refusal(reply) : well;
            }
            return switch (((Fault) answer).kind()) {
                case REFUSED, UNREACHABLE, CONNECT_TIMEOUT, TIMEOUT, SLOW_BODY, RESET, CUT_OFF -> NO_ANSWER;
                case BAD_REQUEST -> UNAUTHORIZED;
                default -> FOREIGN;
            };
        }

        private static Symptom refusal(Reply reply) {
            if (reply.status() < 500 && reply.status() != 429 && ApiError.fromCdn(reply)) {
                return CDN_BLOCK;
            }
            // Klaviyo does not say it by a page, nor in another form: a login does, or a wrong host.
            boolean form = ApiError.of(reply).filter(error -> !error.code().equals("retired")).isPresent();
            boolean others = reply.html() || !form && !Set.of(401, 403, 410).contains(reply.status());
            return others && reply.status() < 500 && reply.status() != 429 ? FOREIGN : said(reply);
        }

        private static Symptom said(Reply reply) {
            return switch (reply.status()) {
                case 401 -> UNAUTHORIZED;
                case 403 -> FORBIDDEN;
                case 410 -> REVISION;
                case 429 -> THROTTLED;
                // Klaviyo answers a revision it does not serve with 400 or 404, and only the detail tells.
                case 400 -> says(reply, "revision") ? REVISION : INVALID;
                case 404 -> says(reply, "revision") ? REVISION : OTHER_CLIENT_ERROR;
                default -> reply.status() < 500 ? OTHER_CLIENT_ERROR : SERVER_ERROR;
            };
        }

        private static boolean says(Reply reply, String word) {
            return ApiError.of(reply).filter(error ->
                    error.detail().toLowerCase(Locale.ROOT).contains(word)).isPresent();
        }

        boolean is(Answer answer) {
            return of(answer) == this;
        }

        /** Whether it counts against the quota: what TLS, a proxy or a login page stopped never came to Klaviyo. */
        static boolean counts(Answer answer) {
            if (answer instanceof Fault fault) {
                return !fault.kind().unreached() && !fault.kind().tls() && fault.kind() != Http.Kind.BAD_REQUEST;
            }
            Reply reply = (Reply) answer;
            return !reply.html() && !reply.redirects() || !FOREIGN.is(answer);
        }

        /** Whether an answer is a 403 that does not say which scope is missing. */
        static boolean namesNoScope(Answer answer) {
            return of(answer) == FORBIDDEN && !says((Reply) answer, "scope");
        }

        /**
         * An answer in words for one line: {@code HTTP 503 unavailable: …}, or the fault. What it quotes is redacted.
         */
        public static String describe(Answer answer) {
            if (!(answer instanceof Reply reply)) {
                return answer.words();
            }
            String http = "HTTP " + reply.status();
            if (of(reply) == NONE) {
                return http;
            } else if (ApiError.fromCdn(reply)) {
                return http + " from the CDN, not from Klaviyo"
                        + reply.header("cf-ray").map(ray -> " (cf-ray " + ray + ")").orElse("") + (reply.status() == 400
                        ? "; it refuses the request itself: look for a line break in the Authorization header" : "");
            }
            return Redactor.strict().text(ApiError.of(reply).map(error -> http + " " + error).orElse(reply.words()));
        }
    }

    /** What an application's health endpoint says of it, from well to worse; what does not answer is worst. */
    public enum Health {
        HEALTHY, DEGRADED, DOWN, UNREACHABLE;

        // Words seen in the status field of common health endpoints (Spring, Rails, Kubernetes, RFC drafts).
        private static final Pattern SO_SO = Pattern.compile("(?i)degraded|warn(ing)?|partial|yellow|unstable");
        private static final Pattern BAD = Pattern.compile(
                "(?i)down|fail(ed|ing|ure)?|error|unhealthy|critical|red|unavailable|out_of_service|false");

        /** By the status of the reply, or else by the word in {@link #field}. */
        public static Health of(Answer answer) {
            if (!(answer instanceof Reply reply)) {
                return UNREACHABLE;
            } else if (reply.status() / 100 != 2 || BAD.matcher(field(reply)).matches()) {
                return DOWN;
            }
            return garbled(reply) || SO_SO.matcher(field(reply)).matches() ? DEGRADED : HEALTHY;
        }

        /** Whether nothing is told: somebody else answers (a login page, a wall), or it was asked too often. */
        static boolean untold(Reply reply) {
            return Set.of(401, 403, 404, 405, 429).contains(reply.status()) || reply.status() < 400 && reply.html();
        }

        /** The reply in one line, for every step alike: its status, how long it took, and what it says. */
        public static String words(Reply reply) {
            String http = "HTTP " + reply.status() + " in " + reply.millis() + " ms";
            if (garbled(reply)) {
                return http + ", " + Redactor.strict().text(reply.notJson());
            }
            String why = reply.status() == 429 ? ", which tells nothing of its health"
                    : ", which is no health endpoint's answer (is the address right?)";
            String body = body(reply);
            return http + (untold(reply) ? why : "") + (body.isEmpty() ? "" : ": " + body);
        }

        static String body(Reply reply) {
            return Text.safe(Redactor.strict().text(Text.safe(reply.text(), 400)), 120);
        }

        /** What stands in the reply's field for that; empty when there is none. */
        static String field(Reply reply) {
            return Stream.of("status", "state", "health", "healthy", "ok").map(reply.json()::path)
                    .filter(JsonNode::isValueNode).map(JsonNode::asText).findFirst().orElse("");
        }

        /** A bare "ok" is as good as JSON. A web page is not (a login page), nor what claims or begins to be JSON. */
        static boolean garbled(Reply reply) {
            boolean meantAsJson = reply.header("content-type").orElse("").contains("json") && reply.body().length > 0;
            return reply.json().isMissingNode()
                    && (reply.html() || meantAsJson || reply.text().stripLeading().startsWith("{"));
        }
    }
}
