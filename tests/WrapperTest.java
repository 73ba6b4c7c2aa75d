import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * {@code ./jbang} as somebody meets it who just cloned the repository: here into a folder with a space in its name, with a
 * catalog of one alias, {@code echo}, whose script prints what reached it.
 */
class WrapperTest {
    private static final String ECHO = """
        //JAVA 17+
        class Echo {
            public static void main(String... args) throws Exception {
                System.out.println(java.nio.file.Path.of("").toAbsolutePath());
                for (String arg : args) System.out.println("<" + arg + ">");
                System.out.print(new String(System.in.readAllBytes()));
                System.out.flush();
                System.exit(args.length > 1 && args[0].equals("exit") ? Integer.parseInt(args[1]) : 0);
            }
        }
        """;
    private static final String CATALOG = """
        {
          "aliases": {
            "echo": {
              "script-ref": "echo.java"
            }
          }
        }
        """;
    private static final Path JAR_NAME = Path.of("klaviyo-runbook", "jbang-cli-0.132.1-all.jar");

    /** A JBang folder that has been used before. */
    private static final Path WARM = Tree.temporary("jbang-warm");
    private static final Path CLONE = Tree.temporary("clone").resolve("my clone");

    private final Path folder = Tree.temporary("wrapper");

    @BeforeAll
    static void cloneIt() throws IOException {
        Files.createDirectories(CLONE);
        Files.copy(Repository.file("jbang"), CLONE.resolve("jbang"));
        Files.writeString(CLONE.resolve("jbang-catalog.json"), CATALOG);
        Files.writeString(CLONE.resolve("echo.java"), ECHO);
        if (find("mvn") != null) {
            wrapper(WARM, "echo").run();
        }
    }

    // ---- starting scripts

    @Test
    void anAliasRunsWhereTheUserIsWithEveryArgumentUnchanged() {
        String[] args = {"", "b  c", "it's", "\"q\"", "*", "$HOME `id` \\", "two\nlines", "--json", "échec"};
        Run.Result result = warm("echo").args(args).cwd(folder).stdin("typed\n").run();
        assertEquals(
                folder + "\n" + Stream.of(args).map(arg -> "<" + arg + ">\n").reduce("", String::concat) + "typed\n",
                result.out());
        assertEquals(0, result.exit());
    }

    @Test
    void exitStatusesComeThrough() {
        assertEquals(13, warm("echo", "exit", "13").run().exit());
        assertEquals(255, warm("run", "echo", "exit", "255").run().exit());
        assertEquals(2, warm("--no-such-option").run().exit());
    }

    @Test
    void theProcessBecomesTheScript() throws IOException {
        try (Run.Running running = warm("echo").openStdin().start()) {
            running.awaitOut("(?m)^/");
            assertTrue(
                    running.process().info().command().orElseThrow().endsWith("/java"),
                    "a kill would not reach the script");
        }
    }

    @Test
    void symbolicLinksToItAreFollowed() throws IOException {
        Path bin = Files.createDirectories(folder.resolve("bin"));
        Files.createSymbolicLink(bin.resolve("kj"), CLONE.resolve("jbang"));
        Files.createSymbolicLink(folder.resolve("relative"), Path.of("bin/kj"));
        assertEquals(
                folder + "\n<x>\n",
                run(
                                Run.command("../relative", "echo", "x").cwd(bin).env("JBANG_DIR", WARM.toString()),
                                folder.resolve("bin"))
                        .replace("/bin\n", "\n"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"--quiet echo x", "run echo x", "--fresh run echo x"})
    void optionsForJBangComeBeforeTheAlias(String line) {
        assertEquals(folder + "\n<x>\n", run(warm(line.split(" ")), folder));
    }

    @Test
    void otherCommandsOfJBangKnowTheAliases() {
        assertTrue(run(warm("info", "tools", "echo"), folder).contains("\"mainClass\": \"Echo\""));
        assertEquals("0.132.1\n", warm("--version").run().err());
    }

    @Test
    void anAliasAmongTheArgumentsOfAScriptIsLeftAlone() throws IOException {
        Path script = Files.writeString(folder.resolve("Other.java"), ECHO.replace("class Echo", "class Other"));
        assertEquals(folder + "\n<echo>\n", run(warm(script.toString(), "echo"), folder));
    }

    // ---- where things are, and at the same time

    /** Each in the name of the clone's folder and of JBang's. */
    @ParameterizedTest
    @ValueSource(strings = {"a b", "back\\slash", "it's", "\"q\"", "$(id)", "new\nline"})
    void anyNameOfAFolderWillDo(String name) throws IOException {
        Path odd = Files.createDirectories(folder.resolve(name));
        Path clone = cloneInto(odd.resolve("clone"));
        Run.Result result = wrapperIn(clone, warmCopy(odd.resolve("jbang")), "echo", "x").cwd(folder).run();
        assertEquals(folder + "\n<x>\n", result.out(), result.toString());
    }

    @Test
    void aColonInJBangsFolderIsToldInOneLine() {
        Run.Result result = warm("echo").env("JBANG_DIR", folder + "/a:b").run();
        assertEquals(1, result.exit());
        assertEquals(1, result.err().lines().count(), result.err());
        assertTrue(result.err().contains("set JBANG_DIR"), result.err());
    }

    @Test
    void sixFirstStartsAtOnceAllEndWell() {
        assumeTrue(find("mvn") != null && find("flock") != null, "needs Maven and flock");
        Path jbangDir = folder.resolve("new jbang");
        List<Run.Running> starts = IntStream.range(0, 6)
                .mapToObj(each -> wrapper(jbangDir, "echo", "" + each).cwd(folder).timeout(Duration.ofMinutes(3)).start())
                .toList();
        for (int each = 0; each < starts.size(); each++) {
            assertEquals(folder + "\n<" + each + ">\n", starts.get(each).await().out(), starts.get(each).err());
        }
        assertTrue(list(jbangDir.resolve("klaviyo-runbook")).noneMatch(name -> name.startsWith("fetch")));
    }

    @Test
    void aFirstBuildThatWasKilledIsMadeAgain() throws IOException {
        Path jbangDir = warmCopy(folder.resolve("jbang"));
        try (Run.Running first = wrapper(jbangDir, "echo").cwd(folder).start()) {
            first.awaitErr("Building jar");
            first.process().descendants().forEach(ProcessHandle::destroyForcibly);
            first.kill();
        }
        assertEquals(folder + "\n<x>\n", run(wrapper(jbangDir, "echo", "x"), folder));
    }

    // ---- which JBang

    @Test
    void aJBangOnThePathComesFirst() throws IOException {
        Path bin = stub("jbang", "echo stub; for arg; do echo \"<$arg>\"; done; exit 3");
        Run.Result result = warm("--verbose", "echo", "a  b", "").env("PATH", bin + ":" + path()).run();
        assertEquals("stub\n<--verbose>\n<" + CLONE.resolve("echo.java") + ">\n<a  b>\n<>\n", result.out());
        assertEquals(3, result.exit());
    }

    @Test
    void itAndItsCopiesOnThePathAreNoJBang() throws IOException {
        Path copy = cloneInto(folder.resolve("copy"));
        assertEquals(folder + "\n<x>\n", run(warm("echo", "x").env("PATH", CLONE + ":" + copy + ":" + path()), folder));
    }

    @Test
    void anEmptyJBangDirVariableMeansTheHome() throws IOException {
        Path home = Files.createDirectories(folder.resolve("home"));
        warmCopy(home.resolve(".jbang"));
        assertEquals(folder + "\n", run(warm("echo").env("JBANG_DIR", "").env("HOME", home.toString()), folder));
        assertEquals(List.of(), list(folder).filter(name -> name.equals("cache")).toList());
    }

    @Test
    void aBrokenJavaHomeFallsBackToThePath() {
        assertEquals(folder + "\n", run(warm("echo").env("JAVA_HOME", "/nowhere"), folder));
    }

    // ---- getting JBang, and when that fails

    @Test
    void aWrongChecksumIsNeverRun() throws IOException {
        Path bin = stub("mvn", DELIVER.formatted("echo not JBang"));
        Run.Result result = fresh(bin, java()).run();
        assertEquals(1, result.exit());
        assertTrue(result.err().contains("SHA-256 is ") && result.err().contains("was not run"), result.err());
        assertEquals("", result.out());
        assertEquals(List.of(), list(folder.resolve("jb/klaviyo-runbook")).toList());
    }

    @Test
    void mavenIsQuietUnlessItFailsAndThePomAtHandIsNotItsBusiness() throws IOException {
        Files.writeString(folder.resolve("pom.xml"), "<broken");
        Path jar = WARM.resolve(JAR_NAME);
        assumeTrue(Files.exists(jar), "needs Maven");
        Path bin = stub("mvn", "[ ! -e pom.xml ] || exit 1; echo noise; " + DELIVER.formatted("cat '" + jar + "'"));
        Run.Result result = fresh(bin, java()).run();
        assertEquals(folder + "\n<x>\n", result.out(), result.err());
        assertFalse(result.err().contains("noise"));

        Tree.delete(folder.resolve("jb"));
        stub("mvn", "echo 'Could not transfer artifact'; exit 1");
        Run.Result failed = fresh(bin, java()).run();
        assertEquals(1, failed.exit());
        assertTrue(
                failed.err().contains("Could not transfer artifact")
                        && failed.err().contains("settings.xml"),
                failed.err());
        assertEquals("", failed.out());
    }

    @Test
    void withNothingAtHandThreeLinesSayWhatToDo() throws IOException {
        Run.Result result = fresh(stub("unrelated", "true"), null).run();
        assertEquals(1, result.exit());
        assertEquals(3, result.err().lines().count(), result.err());
        assertTrue(result.err().contains("JDK") && result.err().contains("jbang.dev/download"), result.err());
    }

    @Test
    void aJdkThatIsTooOldIsNamed() throws IOException {
        Path bin = stub("java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2");
        stub("javac", "true");
        stub("mvn", "echo must not run >&2; exit 9");
        Run.Result result = fresh(bin, null).run();
        assertEquals(1, result.exit());
        assertTrue(result.err().contains("version 11"), result.err());
        assertFalse(result.err().contains("must not run"), result.err());
    }

    @Test
    void aFolderThatCannotBeWrittenIsNamed() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "");
        Run.Result result = fresh(stub("mvn", "true"), java()).env("JBANG_DIR", file.toString()).run();
        assertEquals(1, result.exit());
        assertTrue(result.err().contains("set JBANG_DIR"), result.err());
    }

    // ---- helpers

    /** A stand-in for Maven that writes what a command prints to where the jar should go. */
    private static final String DELIVER = """
        for arg; do
          case $arg in -DoutputDirectory=*) %s >"${arg#*=}/jbang-cli-0.132.1-all.jar" ;; esac
        done\
        """;

    private static Run warm(String... args) {
        assumeTrue(Files.exists(WARM.resolve(JAR_NAME)), "needs Maven");
        return wrapper(WARM, args);
    }

    private static Run wrapper(Path jbangDir, String... args) {
        return wrapperIn(CLONE, jbangDir, args);
    }

    private static Run wrapperIn(Path clone, Path jbangDir, String... args) {
        return Run.command(clone.resolve("jbang").toString())
                .args(args)
                .env("PATH", path())
                .env("JBANG_DIR", jbangDir.toString());
    }

    /** With an empty JBang folder, on a machine that has but a few commands, those in bin, and perhaps a JDK. */
    private Run fresh(Path bin, Path javaHome) throws IOException {
        for (String tool : "basename cat cut dirname grep mkdir mktemp mv readlink rm sed sha256sum shasum flock".split(" ")) {
            link(bin, tool);
        }
        return wrapper(folder.resolve("jb"), "echo", "x").cwd(folder).env("PATH", bin.toString())
            .env("JAVA_HOME", javaHome == null ? null : javaHome.toString());
    }

    private static Path java() {
        return Run.JAVA_HOME;
    }

    private static String run(Run cli, Path folder) {
        Run.Result result = cli.cwd(folder).run();
        assertEquals(0, result.exit(), result.toString());
        return result.out();
    }

    private Path stub(String name, String script) throws IOException {
        Path bin = Files.createDirectories(folder.resolve("stubs"));
        Path file = Files.writeString(bin.resolve(name), "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
        return bin;
    }

    private static void link(Path bin, String tool) throws IOException {
        Path there = find(tool);
        if (there != null && Files.notExists(bin.resolve(tool))) {
            Files.createSymbolicLink(bin.resolve(tool), there);
        }
    }

    private static Path find(String tool) {
        return Stream.of(path().split(File.pathSeparator)).map(folder -> Path.of(folder, tool))
            .filter(Files::isExecutable).findFirst().orElse(null);
    }

    /** This machine's PATH without any other JBang. */
    private static String path() {
        return String.join(File.pathSeparator, Stream.of(System.getenv("PATH").split(File.pathSeparator))
            .filter(folder -> Files.notExists(Path.of(folder, "jbang"))).toList());
    }

    private static Path cloneInto(Path clone) throws IOException {
        Files.createDirectories(clone);
        for (String name : List.of("jbang", "jbang-catalog.json", "echo.java")) {
            Files.copy(CLONE.resolve(name), clone.resolve(name));
        }
        return clone;
    }

    /** A JBang folder of one's own with the jar in it, to be spoilt. */
    private static Path warmCopy(Path copy) throws IOException {
        assumeTrue(Files.exists(WARM.resolve(JAR_NAME)), "needs Maven");
        Files.createDirectories(copy.resolve(JAR_NAME).getParent());
        Files.copy(WARM.resolve(JAR_NAME), copy.resolve(JAR_NAME));
        return copy;
    }

    private static Stream<String> list(Path folder) {
        String[] names = folder.toFile().list();
        return names == null ? Stream.empty() : Stream.of(names).sorted();
    }
}
