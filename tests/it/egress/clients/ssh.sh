export GIT_SSH_COMMAND="ssh -F none -i $SSHKEY -o IdentitiesOnly=yes -o UserKnownHostsFile=$PWD/known -o StrictHostKeyChecking=no -o LogLevel=ERROR -p ${SSH#*:}"
git clone -q "ssh://${SSH%:*}$REPOSITORY" clone
cat clone/file
! git ls-remote "ssh://${OTHER%:*}$REPOSITORY" 2>refused
echo refused
