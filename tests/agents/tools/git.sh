# A repository from its first commit to its garbage collection, beside the one the project already is.
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='2026-01-01T00:00:00Z'
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'

# The project's own repository: everything but its hooks and its configuration is to be worked with.
echo top > top.txt
git add top.txt
git commit --quiet -m 'top'
git stash list
git tag -m one one
git show --stat --format=%s one^{commit}

git init --quiet --initial-branch=main origin
cd origin
for n in $(seq 40); do echo "$n" > "file$n"; git add "file$n"; git commit --quiet -m "file $n"; done
git config user.name b
cd ..
git clone --quiet origin copy
cd copy
git checkout --quiet -b topic HEAD~5
echo topic > topic.txt
git add topic.txt
git commit --quiet -m topic
git rebase --quiet main
git log --format=%s -3
git worktree add --quiet ../tree main~1
(cd ../tree && echo tree > tree.txt && git add tree.txt && git commit --quiet -m tree && git log --format=%s -1)
git worktree list | wc -l
git worktree remove --force ../tree
echo changed > topic.txt
git stash --quiet
git stash pop --quiet
git status --short
git checkout --quiet topic.txt
git gc --quiet --prune=now
git fsck --strict
git grep -c 17 -- 'file*'
git push --quiet origin topic
git -C ../origin branch --list topic
git mv topic.txt moved.txt
git commit --quiet -m moved
git diff --stat HEAD~1 | tail -1
