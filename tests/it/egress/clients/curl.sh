curl -sS --cacert "$CA" "https://$WEB/who"
curl -sS "http://$PLAIN/who"
curl -sS --cacert "$CA" --http1.1 --data x=y "https://$WEB/form"
! curl -sS --cacert "$CA" "https://$OTHER/who" 2>refused
echo refused
