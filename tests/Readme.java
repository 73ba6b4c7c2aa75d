import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The parts of README.md that are made from the project: {@code <!-- screen: triage --help -->} and {@code <!-- files -->}. */
final class Readme {
    static final Path FILE = Repository.file("README.md");
    private static final Pattern BLOCK = Pattern.compile("(?s)<!-- (screen: [^>]+|files) -->\n.*?<!-- end -->");
    private static final Pattern SENTENCE = Pattern.compile("(?s)/\\*\\*\\s*(?:\\*\\s)?(.*?\\.)(?:\\s|\\*/)");

    private Readme() { }

    /** The text with each wanted block made anew; {@code wanted} sees {@code screen: triage --help} or {@code files}. */
    static String renew(String readme, Predicate<String> wanted) {
        return BLOCK.matcher(readme)
                .replaceAll(
                        block -> Matcher.quoteReplacement(wanted.test(block.group(1)) ? made(block) : block.group()));
    }

    private static String made(MatchResult block) {
        String what = block.group(1);
        String content =
                what.equals("files") ? files() : "```text\n" + screen(what.substring("screen: ".length())) + "```\n";
        return "<!-- " + what + " -->\n" + content + "<!-- end -->";
    }

    private static String screen(String command) {
        String[] words = command.split(" ");
        Run.Result result = Run.script(words[0])
                .args(List.of(words).subList(1, words.length).toArray(String[]::new))
                .cwd(Tree.temporary("readme"))
                .env("KLAVIYO_RUNBOOK_COMMAND", "./jbang")
                .timeout(Duration.ofMinutes(2))
                .run();
        // Names of temporary folders say nothing, and are as long as a line.
        return "$ ./jbang " + command + "\n" + result.out().replaceAll("/tmp/klaviyo-drill\\d+", "/tmp/klaviyo-drill");
    }

    /** A line for each file of runbook/, by package, with the first sentence of what it says of itself. */
    private static String files() {
        try (Stream<Path> all = Files.walk(Repository.file("runbook"))) {
            return all.filter(file -> file.toString().endsWith(".java"))
                    .sorted(Comparator.comparing((Path file) -> file.getParent().toString())
                            .thenComparing(file -> !file.endsWith("package-info.java"))
                            .thenComparing(Path::toString))
                    .map(Readme::line)
                    .collect(Collectors.joining());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String line(Path file) {
        String path = Repository.ROOT.relativize(file).toString();
        return file.endsWith("package-info.java")
                ? "\n**" + path.replace("package-info.java", "") + "** " + sentence(file) + "\n\n"
                : "- `" + file.getFileName().toString().replace(".java", "") + "` " + sentence(file) + "\n";
    }

    private static String sentence(Path file) {
        try {
            Matcher found = SENTENCE.matcher(Files.readString(file));
            return found.find()
                    ? found.group(1).replaceAll("\\s*\\n\\s*\\*?\\s*", " ").replaceAll("\\{@\\w+ #?([^}]*)}|</?code>", "$1")
                    : "";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
