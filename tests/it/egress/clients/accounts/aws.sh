[[ ${AWS_ACCESS_KEY_ID:0:4} == AKIA ]] && echo shaped
export AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=$PWD/config AWS_PAGER=
printf '[default]\ns3 =\n  addressing_style = path\n' >config
aws() { PYTHONPATH=$AWSCLI python3 -m awscli --endpoint-url "https://$CLOUD" "$@"; }
aws sts get-caller-identity --query Arn --output text
echo body >file
aws s3api put-object --bucket bucket --key 'a b/c' --body file --query ETag --output text
aws s3 cp --no-progress file s3://bucket/d
aws s3api list-objects-v2 --bucket bucket --prefix 'a b' --query 'Contents[0].Key' --output text
