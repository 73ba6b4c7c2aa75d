package runbook;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The tree as text, the walked path marked. A part that hangs in two places is drawn once. */
final class Drawing {
    private final List<Step> path;
    private final boolean ascii;
    private final List<String> lines = new ArrayList<>();
    private final Set<Tree> drawn = new HashSet<>();

    Drawing(List<Step> path, boolean ascii) {
        this.path = path;
        this.ascii = ascii;
        draw(DecisionTree.ROOT, "", 0, true);
    }

    List<String> lines() {
        return lines;
    }

    private void draw(Tree tree, String indent, int depth, boolean walked) {
        if (tree instanceof Tree.Leaf leaf) {
            lines.add(mark(walked && depth == path.size()) + indent + words(leaf));
        } else if (tree instanceof Tree.All all) {
            if (!all.name().isEmpty() && !drawn.add(tree)) {
                lines.add(mark(false) + indent + "(" + all.name() + ", as above)");
                return;
            }
            all.trees().forEach(each -> draw(each, indent, depth, walked));
        } else if (tree instanceof Tree.Ask ask) {
            boolean asked = walked && depth < path.size() && path.get(depth).question().equals(ask.question());
            lines.add(mark(asked) + indent + ask.question());
            List<Map.Entry<String, Tree>> branches = ask.branches().entrySet().stream()
                    .filter(branch -> !empty(branch.getValue()))
                    .toList();
            for (int i = 0; i < branches.size(); i++) {
                boolean last = i == branches.size() - 1;
                boolean taken = asked && path.get(depth).answer().equals(branches.get(i).getKey());
                Tree branch = branches.get(i).getValue();
                String line = mark(taken) + indent + (last ? corner() : fork()) + branches.get(i).getKey();
                if (branch instanceof Tree.Leaf leaf) {
                    lines.add(line + " " + words(leaf));
                } else {
                    lines.add(line);
                    draw(branch, indent + (last ? "    " : bar()), depth + 1, taken);
                }
            }
        }
    }

    private static boolean empty(Tree tree) {
        return tree instanceof Tree.All all && all.trees().isEmpty();
    }

    private String mark(boolean walked) {
        return walked ? "> " : "  ";
    }

    private String words(Tree.Leaf leaf) {
        return (ascii ? "-> " : "→ ") + leaf.diagnosis().id() + ": " + leaf.advice();
    }

    private String corner() {
        return ascii ? "`-- " : "└── ";
    }

    private String fork() {
        return ascii ? "|-- " : "├── ";
    }

    private String bar() {
        return ascii ? "|   " : "│   ";
    }
}
