package runbook.bundle;

import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import runbook.Key;
import runbook.Settings.Problem;
import runbook.Settings;
import runbook.Incident;
import runbook.redact.Redactor.Policy;

/** Adds to a policy what is known here: values to search for literally, and public addresses that are no secret. */
public final class KnownSecrets {
    private static final int SHORTEST = 6;
    private static final long LARGEST_FILE = 1_000_000;

    private KnownSecrets() { }

    /** The key in use, the new one, and what the named variables and all of KLAVIYO_* hold that looks secret. */
    public static Policy of(Policy policy, Settings settings, Map<String, String> environment, List<String> variables) {
        Policy known = settings.key().map(key -> key(policy, key.reveal())).orElse(policy);
        for (String name : new TreeSet<>(environment.keySet())) {
            String value = environment.get(name);
            boolean ours = name.startsWith("KLAVIYO_") || variables.contains(name);
            if (ours && value.length() >= SHORTEST && Surroundings.shown(name, value).startsWith("secret:")) {
                known = name.contains("KEY") && Key.of(value).cleaned().known()
                        ? key(known, value)
                        : known.knowing("secret", value);
            }
        }
        return known.sparing(addresses(settings));
    }

    // The 34 hex alone are as good as the key: whoever sees the account has the rest.
    private static Policy key(Policy policy, String value) {
        String clean = Key.of(value).cleaned().reveal();
        Policy known = policy.knowing("klaviyo-key", value).knowing("klaviyo-key", clean);
        String tail = clean.substring(clean.lastIndexOf('_') + 1);
        return tail.length() >= 16 ? known.knowing("klaviyo-key", tail) : known;
    }

    /**
     * Adds the values in a file, one a line; of {@code NAME=value} the value.
     *
     * @throws Problem when it cannot be read, or is no list of values
     */
    public static Policy fromFile(Policy policy, Path file) {
        try {
            if (Files.size(file) > LARGEST_FILE) {
                throw new Problem("--secret-file " + file + " is larger than 1 MB: that is no list of secrets");
            }
            Policy known = policy;
            for (String line : new String(Files.readAllBytes(file), StandardCharsets.UTF_8).lines().map(String::strip).toList()) {
                String value = line.matches("[A-Za-z_]\\w*=.+")
                        ? line.substring(line.indexOf('=') + 1).replaceAll("^([\"'])(.*)\\1$", "$2")
                        : line;
                known = known.knowing("secret", line).knowing("secret", value);
            }
            return known;
        } catch (IOException e) {
            throw new Problem("--secret-file cannot be read: " + Incident.why(e));
        }
    }

    // What DNS answers for the vendor is what its support wants to see, and nobody's personal data.
    private static Set<String> addresses(Settings settings) {
        Set<String> addresses = new TreeSet<>();
        for (URI address : List.of(settings.target().api(), settings.target().status())) {
            try {
                for (InetAddress found : CompletableFuture.supplyAsync(() -> lookUp(address.getHost()))
                        .get(2, TimeUnit.SECONDS)) {
                    addresses.add(found.getHostAddress());
                }
            } catch (TimeoutException | ExecutionException e) {
                // They get pseudonyms then.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        return addresses;
    }

    private static InetAddress[] lookUp(String host) {
        try {
            return InetAddress.getAllByName(host);
        } catch (java.net.UnknownHostException e) {
            return new InetAddress[0];
        }
    }
}
