import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;

/**
 * Tools that record how they are called, in a folder of their own that stands first on the PATH: {@code vault}, {@code az},
 * {@code gh}, {@code heroku}, {@code op} keep a value each in a file, {@code systemctl} starts "the application" by copying
 * what was stored last. A file named {@code fault} makes the next matching calls go wrong.
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

    // Builtins of the shell alone: a rotation calls a dozen tools.
    private static final String HEAD = """
        #!/bin/sh
        here=${0%/*}/..; tool=${0##*/}
        { printf '%s' "$tool"; printf ' [%s]' "$@"; echo; } >> "$here/calls"
        export -p > "$here/environment-$tool"
        get() { IFS= read -r got < "$here/$1"; }
        store() {
          for file in "value-$tool" value; do printf %s "$1" > "$here/$file"; done
          get "version-$tool"; echo $((got + 1)) > "$here/version-$tool"
        }
        keep() { IFS= read -r fed; printf %s "$fed" > "$here/stdin-$tool"; store "$fed"; }
        inside() { IFS= read -r fed; printf %s "$fed" > "$here/stdin-$tool"; value=${fed#*"$1"}; store "${value%%'"'*}"; }
        show() { get "value-$tool"; value=$got; get "version-$tool"; printf "$1" "$value" "$got"; }
        start() { get value; printf %s "$got" > "$here/app"; get starts; echo $((got + 1)) > "$here/starts"; }
        if [ -f "$here/fault" ]; then
          read -r on times < "$here/fault"
          case "$tool $*" in *"$on"*)
            if [ "$times" -gt 0 ]; then
              echo "$on $((times - 1))" > "$here/fault"
              . "$here/how"
            fi;;
          esac
        fi
        case "$*" in
        """;

    /** What each does; 1Password's {@code op} is a team's own store. */
    private static final Map<String, String> TOOLS = Map.of("vault", """
          *-version=1*) get first; printf '{"data":{"data":{"key":"%s"},"metadata":{"version":1}}}' "$got";;
          *'kv get'*) show '{"data":{"data":{"key":"%s","other":"1"},"metadata":{"version":%s}}}';;
          *'kv patch'*) keep;;
        """, "az", """
          *'secret show'*) show '{"value":"%s","id":"https://v.vault.azure.net/secrets/s/%s"}';;
          *'secret set'*) keep;;
        """, "gh", """
          *'secret list'*) get version-gh; printf '{"name":"KLAVIYO_KEY","updatedAt":"2026-01-01T00:00:%02dZ"}' "$got";;
          *'secret set'*) keep;;
        """, "heroku", """
          'api GET'*) get value-heroku; printf '{"KLAVIYO_KEY":"%s","OTHER":"1"}' "$got";;
          'api PATCH'*) inside ':"';;
        """, "op", """
          'read op://'*) get value-op; printf '%s\\n' "$got";;
          'item edit'*) inside '"value":"';;
        """, "systemctl", """
          *LoadState*) echo loaded;;
          *InvocationID*) get starts; printf '%032x\\n' "$got";;
          *restart*) start;;
          *is-active*) echo active;;
        """);
    /** {@code gcloud} and {@code aws} as they restart services. */
    private static final Map<String, String> CLOUD = Map.of("gcloud", """
          'run services describe'*) get starts; printf '{"status":{"latestReadyRevisionName":"web-%05d-abc"}}' "$got";;
          'run services update'*) start;;
        """, "aws", """
          'ecs describe-services'*) get starts
            printf '{"services":[{"deployments":[{"id":"ecs-svc/%s"}]}],"failures":[]}' "$got";;
          'ecs update-service'*) start; echo '{}';;
        """);

    private final Path folder;

    StandIns(Path folder, String value) {
        this.folder = folder;
        set(value);
        put("app", value);
        put("first", value);
        TOOLS.keySet().forEach(tool -> put("version-" + tool, "1"));
        put("starts", "1");
        put("calls", "");
        install(TOOLS);
    }

    /** What somebody else puts into every store. */
    void set(String value) {
        put("value", value);
        TOOLS.keySet().forEach(tool -> put("value-" + tool, value));
    }

    /** Adds these two; elsewhere the real ones are wanted, where there are any. */
    void installCloud() {
        install(CLOUD);
    }

    private void install(Map<String, String> tools) {
        tools.forEach((name, script) -> {
            try {
                Path file = Files.createDirectories(folder.resolve("bin")).resolve(name);
                Files.writeString(file, HEAD + script + "esac\n");
                Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    /** Lets the next so many calls whose words contain {@code on} (one word) go wrong by a shell script. */
    void fail(String on, String how, int times) {
        put("how", how + "\n");
        put("fault", on + " " + times + "\n");
    }

    /** The same for the next call. */
    void fail(String on, String how) {
        fail(on, how, 1);
    }

    void remove(String tool) {
        try {
            Files.delete(folder.resolve("bin").resolve(tool));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Every tool is there (again), and well. */
    void mend() {
        put("fault", "nothing 0\n");
        install(TOOLS);
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
