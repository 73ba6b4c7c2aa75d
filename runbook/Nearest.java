package runbook;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** The name that somebody probably meant. */
public final class Nearest {
    private static final int FARTHEST = 4;

    private Nearest() { }

    /** The nearest of the names by edit distance, where one is near enough to be meant. */
    public static Optional<String> to(String wrong, Collection<String> names) {
        return names.stream()
                .filter(name -> distance(wrong, name) <= Math.min(FARTHEST, Math.max(wrong.length(), name.length()) / 2))
                .min(Comparator.comparingInt((String name) -> distance(wrong, name)).thenComparing(Comparator.naturalOrder()));
    }

    /** What a message says of a wrong name: {@code , did you mean outage?} where one is near, else all that there are. */
    public static String hint(String wrong, Collection<String> names) {
        return to(wrong, names).map(near -> ", did you mean " + near + "?")
                .orElseGet(() -> "; there are " + String.join(", ", names));
    }

    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int same = Character.toLowerCase(a.charAt(i - 1)) == Character.toLowerCase(b.charAt(j - 1)) ? 0 : 1;
                int next = Math.min(Math.min(row[j] + 1, row[j - 1] + 1), diagonal + same);
                diagonal = row[j];
                row[j] = next;
            }
        }
        return row[b.length()];
    }
}
