export GIT_TERMINAL_PROMPT=0 GIT_CONFIG_GLOBAL=$PWD/gitconfig
git config --file gitconfig credential.helper '!f() { echo username=x-access-token; echo "password=$GH_ENTERPRISE_TOKEN"; }; f'
git config --file gitconfig user.name u
git config --file gitconfig user.email u@h.test
git clone -q "https://$FORGE/git/repo.git" tree
cd tree
git commit -q --allow-empty -m two
git push -q origin HEAD:refs/heads/agent/one && echo pushed
git push -q origin HEAD:main 2>said || echo refused
grep -q 403 said && echo 'by the session'
# compressed, as git does with what is long
for n in {1..40}; do git branch "agent/many-$n-with-a-name-that-is-longer-than-it-need-be"; done
git push -q origin 'refs/heads/agent/*:refs/heads/agent/*' && echo 'pushed many'
git ls-remote -q "ssh://git@${FORGE%:*}/git/repo.git" >/dev/null 2>&1 && echo REACHED || echo 'not by ssh'
