package runbook.sandbox;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;

/** The accounts and private keys that the embedded Klaviyo knows. Every value is generated anew, so none is a secret. */
final class Keyring {
    private static final String ALPHANUMERIC = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789";
    private static final String CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    private static final String HEX = "0123456789abcdef";

    /** What an integration like the runbook's is given, and the two scopes that let it look after its own keys. */
    static final Set<String> USUAL_SCOPES = Set.of("accounts:read", "events:read", "events:write", "lists:read", "lists:write",
            "metrics:read", "profiles:read", "profiles:write", "subscriptions:write", "webhooks:read",
            "credentials:read", "credentials:write");

    // Not SecureRandom: it costs 20 ms of start-up, and these keys open nothing but this sandbox.
    private final SplittableRandom random = new SplittableRandom();
    private final Map<String, ApiKey> bySecret = new ConcurrentHashMap<>();
    private final Map<String, ApiKey> byId = new ConcurrentSkipListMap<>();
    private final Instant created;
    private int serial;

    /** A Klaviyo account; its id is its public key. */
    record Account(String id, String organisation) { }

    /** One private key; its state may change while requests use it. */
    static final class ApiKey {
        final String id;
        final Account account;
        final String secret;
        final Instant created;
        volatile String name;
        volatile Set<String> scopes;
        volatile boolean enabled = true;

        private ApiKey(String id, Account account, String secret, Instant created, String name, Set<String> scopes) {
            this.id = id;
            this.account = account;
            this.secret = secret;
            this.created = created;
            this.name = name;
            this.scopes = scopes;
        }
    }

    Keyring(Instant created) {
        this.created = created;
    }

    synchronized Account account(String organisation) {
        return new Account(random(ALPHANUMERIC, 6), organisation);
    }

    /** Makes a key of the newer form, {@code pk_}, site id, underscore, 34 hexadecimal digits. */
    synchronized ApiKey issue(Account account, String name, Set<String> scopes) {
        String secret = "pk_" + account.id() + "_" + random(HEX, 34);
        // Shaped like a ULID; the serial keeps the listing in the order of issue.
        String id = "01K" + (10_000 + ++serial) + random(CROCKFORD, 18);
        ApiKey key = new ApiKey(id, account, secret, created.minusSeconds(90 * 86_400L - serial), name, scopes);
        bySecret.put(secret, key);
        byId.put(id, key);
        return key;
    }

    /** The key of that value, enabled or not. */
    Optional<ApiKey> bySecret(String secret) {
        return secret == null ? Optional.empty() : Optional.ofNullable(bySecret.get(secret));
    }

    Optional<ApiKey> byId(Account account, String id) {
        return Optional.ofNullable(byId.get(id)).filter(key -> key.account.equals(account));
    }

    /** Every key of an account, oldest first. */
    List<ApiKey> of(Account account) {
        return byId.values().stream().filter(key -> key.account.equals(account)).toList();
    }

    boolean accepts(String secret) {
        return bySecret(secret).filter(key -> key.enabled).isPresent();
    }

    /** Letters and digits. */
    synchronized String random(int length) {
        return random(ALPHANUMERIC, length);
    }

    private String random(String alphabet, int length) {
        StringBuilder text = new StringBuilder(length);
        for (int i = 0; i < length; i++) {
            text.append(alphabet.charAt(random.nextInt(alphabet.length())));
        }
        return text.toString();
    }
}
