package runbook;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;

/** A decision tree: questions answered from the findings, with diagnoses for leaves. More than one leaf may hold. */
sealed interface Tree {
    /** Where a walk ended, and how it came there. */
    record End(Diagnosis diagnosis, List<Step> path) { }

    /** Every leaf that the findings lead to, in the order of the tree. */
    default List<End> walk(Findings findings) {
        List<End> ends = new ArrayList<>();
        walk(findings, List.of(), ends);
        return ends;
    }

    void walk(Findings findings, List<Step> path, List<End> ends);

    /** The end of a branch. */
    record Leaf(Diagnosis diagnosis, String advice) implements Tree {
        @Override
        public void walk(Findings findings, List<Step> path, List<End> ends) {
            ends.add(new End(diagnosis, path));
        }
    }

    /** A question, and a branch for each answer; several answers may hold at once. */
    record Ask(String question, Function<Findings, Set<String>> answers, Map<String, Tree> branches) implements Tree {
        @Override
        public void walk(Findings findings, List<Step> path, List<End> ends) {
            Set<String> holding = answers.apply(findings);
            branches.forEach((answer, branch) -> {
                if (holding.contains(answer)) {
                    List<Step> longer = new ArrayList<>(path);
                    longer.add(new Step(question, answer));
                    branch.walk(findings, List.copyOf(longer), ends);
                }
            });
        }
    }

    /** Questions that are all asked. */
    record All(String name, List<Tree> trees) implements Tree {
        @Override
        public void walk(Findings findings, List<Step> path, List<End> ends) {
            trees.forEach(tree -> tree.walk(findings, path, ends));
        }
    }

    static Tree yesNo(String question, Predicate<Findings> holds, Tree yes, Tree no) {
        return ask(question, findings -> Set.of(holds.test(findings) ? "yes" : "no"), branch("yes", yes), branch("no", no));
    }

    @SafeVarargs
    static Tree ask(String question, Function<Findings, Set<String>> answers, Map.Entry<String, Tree>... branches) {
        Map<String, Tree> ordered = new LinkedHashMap<>();
        for (Map.Entry<String, Tree> branch : branches) {
            ordered.put(branch.getKey(), branch.getValue());
        }
        return new Ask(question, answers, ordered);
    }

    static Map.Entry<String, Tree> branch(String answer, Tree tree) {
        return Map.entry(answer, tree);
    }

    static Tree all(String name, Tree... trees) {
        return new All(name, List.of(trees));
    }

    static Tree leaf(Diagnosis diagnosis, String advice) {
        return new Leaf(diagnosis, advice);
    }
}
