package runbook.rotation;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import runbook.Incident;
import runbook.Text;
import runbook.Tool;
import runbook.rotation.Progress.Trouble;

/**
 * A variable in a dotenv file, read and replaced as by a tool: {@code rotate-key: read VAR in FILE}. The file is
 * replaced as a whole or not at all; comments, order, quotes and line ends stay, and so do mode, owner, group, access
 * lists and extended attributes, or it is not replaced.
 */
public record DotenvFile(Path path, String variable) {
    /** The first word of what is done here and not by a tool. */
    public static final String PROGRAM = "rotate-key:";
    private static final int LARGEST = 1 << 20;
    private static final boolean POSIX = FileSystems.getDefault().supportedFileAttributeViews().contains("unix");

    /**
     * Does {@code rotate-key: read VAR in FILE} or {@code rotate-key: replace VAR in FILE}.
     *
     * @param input the new value
     * @throws Trouble when it cannot be done; then the file is as it was
     */
    public static Tool.Output run(Tool tool, List<String> command, String input) throws Trouble {
        DotenvFile dotenv = new DotenvFile(Path.of(command.get(4)), command.get(2));
        try {
            Path file = dotenv.path.toRealPath();
            if (command.get(1).equals("read")) {
                return new Tool.Output(0, dotenv.read(file), "");
            }
            dotenv.replace(tool, file, input);
            return new Tool.Output(0, "", "");
        } catch (IOException e) {
            String name = Text.word(dotenv.path.getFileName().toString());
            throw Trouble.refused(dotenv.path + " cannot be read: " + Incident.why(e),
                    Files.notExists(dotenv.path) ? "find . -name " + name : "ls -l " + dotenv.quoted());
        }
    }

    private String read(Path file) throws IOException, Trouble {
        Path folder = file.getParent();
        String me = System.getProperty("user.name");
        String owner = POSIX ? Files.getOwner(file).getName() : me;
        Trouble.refuse(!Files.isWritable(folder), "no permission to write in " + folder
                + ", which replacing the file needs", "sudo chown \"$USER\" " + Text.word(folder.toString()));
        Trouble.refuse(!owner.equals(me) && !me.equals("root"), path + " belongs to " + owner
                + ": replacing it would change that", "sudo -u " + owner + " …the same command…");
        Trouble.refuse(POSIX && (int) Files.getAttribute(file, "unix:nlink") > 1, path
                + " is a hard link: the file's other names would keep the old key",
                "find / -xdev -samefile " + quoted() + "   # then make it a symbolic link");
        return assignment(text(file)).value();
    }

    private void replace(Tool tool, Path file, String value) throws IOException, Trouble {
        String text = text(file);
        Assignment old = assignment(text);
        // One fixed name: should we be killed in between, the next run finds and removes it.
        Path ours = file.resolveSibling("." + file.getFileName() + ".rotate-key");
        Path half = ours.resolve(file.getFileName());
        try {
            discard(ours, half);
            // Nobody else can look into the folder while the copy has not yet all that protects it.
            Files.createDirectory(ours, Incident.mode("rwx------"));
            Files.copy(file, half, StandardCopyOption.COPY_ATTRIBUTES);
            Files.writeString(half, text.substring(0, old.begin) + value + text.substring(old.end),
                    StandardCharsets.ISO_8859_1);
            try (FileChannel written = FileChannel.open(half, StandardOpenOption.WRITE)) {
                written.force(true);
            }
            Trouble.refuse(!attributes(tool, file).equals(attributes(tool, half)),
                    path + " has an owner, access list or attributes that a new file would not have",
                    "ls -l " + quoted() + "   # or write it by --to 'exec:…'");
            Files.move(half, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new Trouble(Trouble.Kind.UNKNOWN, path + " cannot be replaced: " + Incident.why(e),
                    "ls -ld " + Text.word(file.getParent().toString()));
        } finally {
            discard(ours, half);
        }
    }

    private static void discard(Path ours, Path half) {
        try {
            Files.deleteIfExists(half);
            Files.deleteIfExists(ours);
        } catch (IOException e) {
            // The folder is gone; a run that can write removes it.
        }
    }

    // Java copies access lists and extended attributes where it can, and is silent where it cannot: ls shows a + or @
    // for them.
    private static Map<String, Object> attributes(Tool tool, Path file) throws IOException {
        Map<String, Object> all = new TreeMap<>();
        if (POSIX) {
            all.putAll(Files.readAttributes(file, "unix:mode,uid,gid", LinkOption.NOFOLLOW_LINKS));
            try {
                all.put("listed", tool.run(List.of("ls", "-ld", file.toString())).out().split(" ")[0]);
            } catch (Tool.Failure e) {
                all.put("listed", "");
            }
        }
        UserDefinedFileAttributeView view = Files.getFileAttributeView(file, UserDefinedFileAttributeView.class);
        if (view != null) {
            all.put("attributes", new TreeSet<>(view.list()));
        }
        return all;
    }

    private String quoted() {
        return Text.word(path.toString());
    }

    // Bytes as they are: a dotenv file need not be UTF-8, and what is not ours must not change.
    private String text(Path file) throws IOException, Trouble {
        Trouble.refuse(!Files.isRegularFile(file) || Files.size(file) > LARGEST, path + " is no dotenv file",
                "ls -l " + quoted());
        return Files.readString(file, StandardCharsets.ISO_8859_1);
    }

    /** Where the value stands in the file, quotes left outside. */
    private record Assignment(String value, int begin, int end) { }

    private Assignment assignment(String text) throws Trouble {
        Matcher line = Pattern.compile("(?m)^[ \\t]*(?:export[ \\t]+)?" + Pattern.quote(variable) + "[ \\t]*=[ \\t]*"
                + "(?:\"([^\"\\r\\n]*)\"|'([^'\\r\\n]*)'|([^\\s\"'#][^\\r\\n]*?|))[ \\t]*(?:[ \\t]#[^\\r\\n]*)?\\r?$")
                        .matcher(text);
        Trouble.refuse(!line.find(), path + " sets no " + variable, "echo " + variable + "= >> " + quoted());
        int group = IntStream.rangeClosed(1, 3).filter(one -> line.group(one) != null).findFirst().orElseThrow();
        Assignment found = new Assignment(line.group(group), line.start(group), line.end(group));
        Trouble.refuse(line.find(), path + " sets " + variable + " more than once: which one counts depends on who"
                + " reads it", "grep -n " + variable + " " + quoted() + "   # remove all but one");
        return found;
    }
}
