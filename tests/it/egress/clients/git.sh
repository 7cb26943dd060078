export GIT_SSL_CAINFO=$CA
git clone -q "https://$WEB/git/repo.git" clone
cat clone/file
cd clone
topic=topic-$$
git checkout -q -b "$topic"
echo more >>file
git -c user.name=u -c user.email=u@h.test commit -qam more
git push -q origin "$topic"
git ls-remote origin "$topic" | wc -l
! git ls-remote "https://$OTHER/git/repo.git" 2>../refused
echo refused
