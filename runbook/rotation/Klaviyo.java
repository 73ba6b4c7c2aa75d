package runbook.rotation;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Klaviyo.ApiError;
import runbook.Checks.Deadline;
import runbook.Klaviyo.Endpoint;
import runbook.Http;
import runbook.Text.Json;
import runbook.Key;
import runbook.Settings;
import runbook.ApiChecks.Auth;
import runbook.ApiChecks.Symptom;
import runbook.rotation.Standing.State;
import runbook.rotation.Trouble.Kind;

/** Klaviyo's API as a rotation needs it: whose a key is, what it may do, and (beta) listing and disabling keys. */
final class Klaviyo {
    /** The revision of the beta endpoints for keys (api_keys.openapi.json). */
    private static final String BETA = "2026-07-15.pre";
    private static final String KEYS = "/api/api-keys";
    // A key of the newer form carries its account's site id.
    private static final Pattern SITE = Pattern.compile("pk_([A-Za-z0-9]{6})_[0-9a-f]{34}");
    // Accounts and keys allow one request a second and 15 a minute: waiting out one whole window is always enough.
    private static final Duration PATIENCE = Duration.ofSeconds(70);

    private final Settings settings;
    private final Map<Key, Http> clients = new HashMap<>();

    Klaviyo(Settings settings) {
        this.settings = settings;
    }

    /** The account id inside a key of the newer form. */
    static Optional<String> site(Key key) {
        Matcher form = SITE.matcher(key.reveal());
        return form.matches() ? Optional.of(form.group(1)) : Optional.empty();
    }

    /** Whether a key authenticates, and whose it is. A 403 with Klaviyo's own error proves a key as well as a 200 does. */
    Standing standing(Key key) {
        Answer answer = ask(key, "GET", Endpoint.ACCOUNTS.target(), settings.revision(), null);
        Optional<String> site = site(key);
        return switch (Symptom.of(answer)) {
            case NONE -> {
                Optional<Auth.Account> account = Auth.account((Reply) answer);
                yield new Standing(
                        State.VALID,
                        account.map(Auth.Account::id).or(() -> site),
                        account.map(Auth.Account::toString).orElse("authenticated"));
            }
            case FORBIDDEN -> new Standing(State.VALID, site, "valid, though without accounts:read");
            case UNAUTHORIZED -> new Standing(State.INVALID, Optional.empty(), Symptom.describe(answer));
            default -> new Standing(State.UNKNOWN, Optional.empty(), Symptom.describe(answer));
        };
    }

    /** The account's keys, if this key may list them. */
    Optional<List<ApiKey>> list(Key reader) {
        Answer answer = ask(reader, "GET", KEYS + "?additional-fields%5Bapi-key%5D=redacted_key", BETA, null);
        if (Symptom.of(answer) != Symptom.NONE) {
            return Optional.empty();
        }
        List<ApiKey> keys = new ArrayList<>();
        ((Reply) answer).json().path("data").forEach(resource -> keys.add(ApiKey.of(resource)));
        return Optional.of(keys);
    }

    /** Enables or disables a key by the beta API; {@code with} needs credentials:write. */
    void enabled(Key with, String id, boolean enabled) throws Trouble {
        var document = Map.of(
                "data",
                Map.of("type", "api-key", "id", id, "attributes", Map.of("status", enabled ? "active" : "disabled")));
        Answer answer = ask(
                with,
                "PATCH",
                KEYS + "/" + id,
                BETA,
                Json.line(Json.of(document)).getBytes(StandardCharsets.UTF_8));
        if (!(answer instanceof Reply reply) || reply.status() != 200) {
            throw new Trouble(
                    Kind.FAILED,
                    "Klaviyo did not " + (enabled ? "enable" : "disable") + " it: " + Symptom.describe(answer),
                    "");
        }
    }

    /** What one probe of a scope says. */
    Symptom probe(Key key, ScopeProbe probe) {
        byte[] body = probe.method().equals("GET") ? null : "{\"data\":{}}".getBytes(StandardCharsets.UTF_8);
        return Symptom.of(ask(key, probe.method(), probe.target(), probe.beta() ? BETA : settings.revision(), body));
    }

    private Answer ask(Key key, String method, String target, String revision, byte[] body) {
        Http http = clients.computeIfAbsent(key, one -> Http.of(settings.withKey(one)));
        Deadline patience = Deadline.in(PATIENCE);
        Answer answer = http.api(method, target, revision, body, settings.probing().timeout());
        while (answer instanceof Reply reply && reply.status() == 429) {
            Duration pause = Duration.ofSeconds(Math.max(1, ApiError.retryAfter(reply).orElse(1L)));
            if (pause.compareTo(patience.left()) > 0 || !Pause.of(pause)) {
                return answer;
            }
            answer = http.api(method, target, revision, body, settings.probing().timeout());
        }
        return answer;
    }
}
