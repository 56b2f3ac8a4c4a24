<?php
$ch = curl_init('http://example.com/batch-operation');
curl_setopt($ch, CURLOPT_POST, true);
curl_setopt($ch, CURLOPT_POSTFIELDS, file_get_contents('batch-data.xml'));
curl_setopt($ch, CURLOPT_RETURNTRANSFER, true);
$response = curl_exec($ch);
if (curl_getinfo($ch, CURLINFO_HTTP_CODE) == 207) {
echo "Multi-Status response received.";
}
curl_close($ch);
?>
