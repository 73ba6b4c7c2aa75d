import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;

/**
 * Tools that record how they are called: {@code vault}, {@code az}, {@code gh}, {@code heroku} keep a value each in a file,
 * {@code systemctl} starts "the application" by copying what was stored last. A file named {@code fault} makes the next matching
 * calls go wrong. They stand first on the PATH, in a folder of their own.
 */
final class StandIns {
    /** Ways in which a call can go wrong; the value in the file says how the script does it. */
    enum Fault {
        EXITS_NON_ZERO("echo 'Error: boom' >&2; exit 3"),
        HANGS("sleep 300"),
        LIES("echo 'Error: boom'; exit 0"),
        GARBAGE("printf '\\001\\377 <<garbage>>'; exit 0"),
        KILLED("kill -9 $$"),
        /** Still answers these calls, and is gone for the next. */
        MISSING("[ \"$times\" -gt 1 ] || trap 'rm -f \"$0\"' EXIT");

        final String script;

        Fault(String script) {
            this.script = script;
        }
    }

    private static final String HEAD = """
        #!/bin/sh
        here=$(dirname "$0")/..
        tool=$(basename "$0")
        { printf '%s' "$tool"; for word in "$@"; do printf ' [%s]' "$word"; done; echo; } >> "$here/calls"
        env > "$here/environment-$tool"
        value() { cat "$here/value-$tool"; }
        version() { cat "$here/version-$tool"; }
        keep() { cat > "$here/value-$tool"; cp "$here/value-$tool" "$here/value"; echo $(( $(version) + 1 )) > "$here/version-$tool"; }
        if [ -f "$here/fault" ]; then
          read -r on times < "$here/fault"
          case "$tool $*" in *"$on"*)
            if [ "$times" -gt 0 ]; then
              echo "$on $((times - 1))" > "$here/fault"
              . "$here/how"
            fi;;
          esac
        fi
        """;
    private static final String KEEP = """
        cat > "$here/stdin-$tool"; keep < "$here/stdin-$tool";;""";

    private static final String VAULT = """
        case "$*" in
          *-version=1*) printf '{"data":{"data":{"key":"%s"},"metadata":{"version":1}}}' "$(cat "$here/first")";;
          *'kv get'*) printf '{"data":{"data":{"key":"%s","other":"1"},"metadata":{"version":%s}}}' "$(value)" "$(version)";;
          *'kv patch'*) KEEP
        esac
        """;
    private static final String AZ = """
        case "$*" in
          *'secret show'*) printf '{"value":"%s","id":"https://v.vault.azure.net/secrets/s/%s"}' "$(value)" "$(version)";;
          *'secret set'*) KEEP
        esac
        """;
    private static final String GH = """
        case "$*" in
          *'secret list'*) printf '{"name":"KLAVIYO_KEY","updatedAt":"2026-01-01T00:00:%02dZ"}' "$(version)";;
          *'secret set'*) KEEP
        esac
        """;
    private static final String HEROKU = """
        case "$*" in
          'api GET'*) printf '{"KLAVIYO_KEY":"%s","OTHER":"1"}' "$(value)";;
          'api PATCH'*) cat > "$here/stdin-$tool"; sed 's/.*:"\\([^"]*\\)"}/\\1/' < "$here/stdin-$tool" | tr -d '\\n' | keep;;
        esac
        """;
    /** 1Password's: a team's own store. */
    private static final String OP = """
        case "$*" in
          'read op://'*) printf '%s\\n' "$(value)";;
          'item edit'*) cat > "$here/stdin-$tool"; sed 's/.*"value":"\\([^"]*\\)".*/\\1/' < "$here/stdin-$tool" | tr -d '\\n' | keep;;
        esac
        """;
    private static final String SYSTEMCTL = """
        case "$*" in
          *LoadState*) echo loaded;;
          *InvocationID*) printf '%032x\\n' "$(cat "$here/starts")";;
          *restart*) cp "$here/value" "$here/app"; echo $(( $(cat "$here/starts") + 1 )) > "$here/starts";;
          *is-active*) echo active;;
        esac
        """;

    private static final String GCLOUD = """
        case "$*" in
          'run services describe'*) printf '{"status":{"latestReadyRevisionName":"web-%05d-abc"}}' "$(cat "$here/starts")";;
          'run services update'*) cp "$here/value" "$here/app"; echo $(( $(cat "$here/starts") + 1 )) > "$here/starts";;
        esac
        """;
    private static final String AWS = """
        case "$*" in
          'ecs describe-services'*) printf '{"services":[{"deployments":[{"id":"ecs-svc/%s"}]}],"failures":[]}' "$(cat "$here/starts")";;
          'ecs update-service'*) cp "$here/value" "$here/app"; echo $(( $(cat "$here/starts") + 1 )) > "$here/starts"; echo '{}';;
        esac
        """;

    private final Path folder;

    StandIns(Path folder, String value) {
        this.folder = folder;
        set(value);
        put("app", value);
        put("first", value);
        List.of("vault", "az", "gh", "heroku", "op").forEach(tool -> put("version-" + tool, "1"));
        put("starts", "1");
        put("calls", "");
        install();
    }

    /** What somebody else puts into every store. */
    void set(String value) {
        List.of("value", "value-vault", "value-az", "value-gh", "value-heroku", "value-op")
                .forEach(name -> put(name, value));
    }

    /** Puts every tool (back) in its place. */
    void install() {
        tool("vault", VAULT);
        tool("az", AZ);
        tool("gh", GH);
        tool("heroku", HEROKU);
        tool("op", OP);
        tool("systemctl", SYSTEMCTL);
    }

    /** {@code gcloud} and {@code aws} as they restart services; elsewhere the real ones are wanted, where there are any. */
    void installCloud() {
        tool("gcloud", GCLOUD);
        tool("aws", AWS);
    }

    private void tool(String name, String script) {
        try {
            Path file = Files.createDirectories(folder.resolve("bin")).resolve(name);
            Files.writeString(file, HEAD + script.replace("KEEP", KEEP));
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Lets the next so many calls whose words contain {@code on} (one word) go wrong. */
    void fail(String on, Fault how, int times) {
        put("how", how.script + "\n");
        put("fault", on + " " + times + "\n");
    }

    /** The same with a shell script of one's own. */
    void fail(String on, String how) {
        fail(on, how, 1);
    }

    /** The same so many times. */
    void fail(String on, String how, int times) {
        put("how", how + "\n");
        put("fault", on + " " + times + "\n");
    }

    void remove(String tool) {
        try {
            Files.delete(folder.resolve("bin").resolve(tool));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void mend() {
        put("fault", "nothing 0\n");
        install();
    }

    Run onPath(Run cli) {
        return cli.env("PATH", folder.resolve("bin") + ":" + System.getenv("PATH"));
    }

    /** What was stored last, in whichever store. */
    String value() {
        return get("value");
    }

    /** The key with which "the application" last started. */
    String app() {
        return get("app");
    }

    List<String> calls() {
        return get("calls").lines().toList();
    }

    /** What a tool was last fed. */
    String stdin(String tool) {
        return get("stdin-" + tool);
    }

    String environment(String tool) {
        return get("environment-" + tool);
    }

    Path file(String name) {
        return folder.resolve(name);
    }

    /** The process id of the tool that is held. */
    String held() {
        return get("there").contains(".") ? get("there").replaceFirst("(?s)\\..*", "") : "none";
    }

    private void put(String name, String text) {
        try {
            Files.writeString(folder.resolve(name), text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String get(String name) {
        try {
            return Files.readString(folder.resolve(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
