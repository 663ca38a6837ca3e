// The courier's photos: each is fetched when somebody asks to see it, because that it was looked at is recorded.
import { element } from "/static/controls.js";
import { t } from "/static/words.js";

/** Fill `list`. What was looked at stays open. `path`: of the delivery in the API. */
export function showPhotos(list, path, photos) {
  const known = new Set([...list.children].map((one) => one.dataset.photo));
  const now = new Set(photos);
  for (const one of [...list.children]) if (!now.has(one.dataset.photo)) one.remove();
  for (const [index, sha256] of photos.entries()) if (!known.has(sha256)) list.append(photo(path, sha256, index + 1));
}

function photo(path, sha256, number) {
  const look = element("button", { type: "button", className: "quiet" }, t("Look at photo {number}", { number }));
  const made = element("li", {}, look);
  made.dataset.photo = sha256;
  look.addEventListener("click", () => {
    const picture = element("img", { alt: t("Photo {number} by the courier", { number }), src: `${path}/photos/${sha256}` });
    picture.addEventListener("error", () => made.replaceChildren(element("p", {}, t("This photo is not kept any more."))));
    made.replaceChildren(picture);
    picture.tabIndex = -1;
    picture.focus();
  });
  return made;
}
