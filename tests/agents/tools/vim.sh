# Edits with swap, backup and undo files, in place and through a link.
seq 1 200 > numbers.txt
ln -s numbers.txt link.txt
vim -es -u NONE -i NONE --cmd 'set nocompatible backup writebackup undofile swapfile' \
  -c '%s/^1/one/' -c 'normal Goend' -c 'wq' numbers.txt
head -2 numbers.txt
tail -1 numbers.txt
vim -es -u NONE -i NONE --cmd 'set nocompatible' -c 'normal ddp' -c 'wq' link.txt
head -2 numbers.txt
test -L link.txt && echo still a link
vim -es -u NONE -i NONE -c 'r !echo from a shell' -c 'w other.txt' -c 'q!' numbers.txt
grep -c 'from a shell' other.txt
ls -A
