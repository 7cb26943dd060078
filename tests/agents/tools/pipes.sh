# Named pipes between programs, process substitution, here-documents, background jobs that are waited for.
mkfifo one two
(seq 1 1000 > one) &
(sort -rn < one > two) &
head -3 two
wait
diff <(seq 5) <(seq 1 5) && echo no difference
tr a-z A-Z <<TEXT
here is a document
TEXT
exec 7<> one
echo through >&7
read -r line <&7
echo "$line"
exec 7>&-
rm one two
seq 100000 | wc -l
printf 'a\0b\0' | xargs -0 -n1 -P2 echo | sort
