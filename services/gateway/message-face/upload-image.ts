import { imageTypeOf, MAX_IMAGE_BYTES, toDataUrl } from "../image.ts";
import type { Answer, Call } from "../route-table.ts";
import { missingField, unreadableBody } from "./invalid-body.ts";
import type { Texts } from "./texts.ts";

/**
 * Gives a picture back as the data URL that /send takes. Nothing is stored. What it is, its bytes decide, not
 * the type or the name that came with it.
 */
export async function uploadImage(call: Call, texts: Texts): Promise<Answer> {
  const contentType = call.headers["content-type"] ?? "";
  const bytes = await call.body.bytes();
  let form: FormData;
  try {
    if (!/^multipart\/form-data *;/i.test(contentType)) throw new TypeError("not multipart");
    form = await new Response(new Uint8Array(bytes), { headers: { "content-type": contentType } }).formData();
  } catch {
    return unreadableBody("the body is not multipart/form-data with one part named file", "value_error");
  }
  const parts = form.getAll("file");
  const file = parts[0];
  if (file === undefined || typeof file === "string") return missingField("file");
  if (parts.length > 1) return refused(texts.oneFile);
  if (file.size > MAX_IMAGE_BYTES) return refused(texts.imageTooLarge);
  const picture = new Uint8Array(await file.arrayBuffer());
  const type = imageTypeOf(picture);
  if (!type) return refused(texts.notAnImage);
  return { status: 200, body: { success: true, image_url: toDataUrl(type, picture), error: null } };
}

function refused(error: string): Answer {
  return { status: 200, body: { success: false, image_url: null, error } };
}
