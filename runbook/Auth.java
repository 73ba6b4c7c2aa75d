package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import runbook.Answer.Reply;
import runbook.Check.Outcome;

/**
 * Whether the key authenticates, and whose it is.
 *
 * @param check   as one line
 * @param key     the key that was tried; empty when none was given
 * @param faults  what is wrong with the key's form
 * @param answer  what {@code GET /api/accounts} answered; null when it was not asked
 * @param symptom what that says
 * @param account id and name; empty when it was not told
 */
public record Auth(
        Check check,
        Optional<Key> key,
        List<String> faults,
        Answer answer,
        Symptom symptom,
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
            Check check = Check.skipped(
                    "auth", "no private key here: set KLAVIYO_PRIVATE_KEY, or give --key-file or --key-command");
            return new Auth(check, Optional.empty(), List.of(), null, Symptom.NONE, Optional.empty());
        }
        Key key = settings.key().get();
        List<String> faults = key.faults();
        if (key.cleaned().reveal().isEmpty()) {
            Check check = new Check(
                    "auth", Outcome.FAIL, "the key is unfit: " + faults.get(0), 0, null, detail(key, faults, null));
            return new Auth(check, settings.key(), faults, null, Symptom.NONE, Optional.empty());
        }
        Answer answer = http.api(Endpoint.ACCOUNTS.target(), deadline.left());
        return of(key, faults, answer);
    }

    private static Auth of(Key key, List<String> faults, Answer answer) {
        Symptom symptom = Symptom.of(answer);
        Optional<Account> account = symptom == Symptom.NONE ? account((Reply) answer) : Optional.empty();
        String form =
                faults.isEmpty() ? "" : "the key is unfit: " + String.join("; ", faults) + ". Tried without that: ";
        String said =
                switch (symptom) {
                    case NONE ->
                        account.map(Account::toString).orElse("authenticated") + ", key "
                                + key.cleaned().describe();
                    case FORBIDDEN -> "the key is valid but may not read accounts (" + Symptom.describe(answer) + ")";
                    case THROTTLED -> "throttled before the key was judged: " + Symptom.describe(answer);
                    default ->
                        Symptom.describe(answer)
                                + (symptom == Symptom.UNAUTHORIZED
                                        ? "; key " + key.cleaned().describe()
                                        : "");
                };
        Outcome outcome = !faults.isEmpty() ? Outcome.FAIL : switch (symptom) {
            case NONE -> key.known() ? Outcome.OK : Outcome.WARN;
            case FORBIDDEN, THROTTLED -> Outcome.WARN;
            default -> Outcome.FAIL;
        };
        Check check = new Check(
                "auth",
                outcome,
                form + said,
                answer.millis(),
                answer instanceof Reply reply ? reply.status() : null,
                detail(key, faults, account.orElse(null)));
        return new Auth(check, Optional.of(key), faults, answer, symptom, account);
    }

    /** The account in an answer of {@code GET /api/accounts}; empty when there is none in it. */
    public static Optional<Account> account(Reply reply) {
        JsonNode account = reply.json().path("data").path(0);
        JsonNode attributes = account.path("attributes");
        return account.path("id").isTextual()
                ? Optional.of(new Account(Text.safe(account.path("id").asText(), 20),
                        Text.safe(attributes.path("contact_information").path("organization_name").asText(), 60),
                        attributes.path("test_account").asBoolean()))
                : Optional.empty();
    }

    private static JsonNode detail(Key key, List<String> faults, Account account) {
        Map<String, Object> detail = new LinkedHashMap<>();
        detail.put(
                "key", Map.of("kind", key.kind(), "length", key.reveal().length(), "fingerprint", key.fingerprint()));
        detail.put("keyFaults", faults);
        detail.put(
                "account",
                account == null ? null : Map.of("id", account.id, "name", account.name, "test", account.test));
        return Json.of(detail);
    }

    /** The error's code and detail where Klaviyo sent one. */
    public Optional<ApiError> error() {
        return answer instanceof Reply reply ? ApiError.of(reply) : Optional.empty();
    }
}
